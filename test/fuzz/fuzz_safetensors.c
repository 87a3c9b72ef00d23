/* test/fuzz/fuzz_safetensors.c: takes any bytes for a safetensors file: opens it, reads every
 * tensor, verifies checksums. */
#include "io/safetensors.h"
#include "test/fuzz/support_fuzz.h"

static void ignore(void *context, const char *path, long block, uint64_t offset, const char *what)
{
	(void)context;
	(void)path;
	(void)block;
	(void)offset;
	(void)what;
}

/* Reads everything that the header promises, so that a range beyond the mapping is noticed. */
static void read_tensors(const ps_safetensors *file)
{
	volatile char sum = 0;

	for (size_t i = 0; i < file->count; i++) {
		const char *data = ps_safetensors_data(file, &file->tensors[i]);

		for (uint64_t b = 0; b < file->tensors[i].bytes; b++)
			sum = (char)(sum + data[b]);
		if (ps_safetensors_find(file, file->tensors[i].name) != &file->tensors[i])
			__builtin_trap();
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("a.safetensors", bytes, length);
	ps_safetensors file = {.fd = -1};
	ps_diag diag = {0};
	bool verified;
	int rc = ps_safetensors_open(&file, &ps_sys_linux, path, &diag);

	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	read_tensors(&file);
	rc = ps_safetensors_verify(&file, ignore, NULL, &verified, &diag);
	support_fuzz_check(rc, &diag);
	ps_safetensors_close(&file);
	return 0;
}
