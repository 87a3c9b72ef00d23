/* test/fuzz/fuzz_index.c: takes any bytes for the index of a sharded checkpoint whose two shards
 * are sound. */
#include <string.h>

#include "io/shard_index.h"
#include "test/fuzz/support_fuzz.h"

/* Tensor NAME, F32 [1]. */
#define SHARD(name)                                                                                \
	"\x38\0\0\0\0\0\0\0{\"" name                                                               \
	"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}   \0\0\0\0"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static bool made;
	ps_shard_set set = {0};
	ps_diag diag = {0};
	int rc;

	if (!made) {
		support_fuzz_file("a.safetensors", SHARD("x"), sizeof SHARD("x") - 1);
		support_fuzz_file("b.safetensors", SHARD("y"), sizeof SHARD("y") - 1);
	}
	made = true;
	support_fuzz_file("model.safetensors.index.json", bytes, length);
	rc = ps_shard_set_open(&set, &ps_sys_linux, support_fuzz_folder(), &diag);
	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	for (size_t i = 0; i < set.tensor_count; i++)
		if (!ps_shard_set_find(&set, set.tensors[i].info->name))
			__builtin_trap();
	ps_shard_set_close(&set);
	return 0;
}
