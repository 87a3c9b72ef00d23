/* test/fuzz/fuzz_sae_config.c: takes any bytes for the cfg.json of an SAE whose weights are sound:
 * W_enc, W_dec, b_enc, b_dec with 4 inputs and 8 latents. */
#include <string.h>

#include "test/fuzz/support_fuzz.h"
#include "tools/train/sae_folder.h"

#define HEADER                                                                                     \
	"{\"W_enc\":{\"dtype\":\"F32\",\"shape\":[4,8],\"data_offsets\":[0,128]},"                 \
	"\"W_dec\":{\"dtype\":\"F32\",\"shape\":[8,4],\"data_offsets\":[128,256]},"                \
	"\"b_enc\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[256,288]},"                  \
	"\"b_dec\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[288,304]}}"

enum { DATA_BYTES = 304 };

static void write_weights(void)
{
	char file[8 + sizeof HEADER - 1 + DATA_BYTES] = {0};
	const uint64_t header = sizeof HEADER - 1;
	const float one = 1;

	memcpy(file, &header, sizeof header);
	memcpy(file + 8, HEADER, sizeof HEADER - 1);
	for (size_t at = 0; at < DATA_BYTES; at += sizeof one)
		memcpy(file + 8 + header + at, &one, sizeof one);
	support_fuzz_file("sae_weights.safetensors", file, sizeof file);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_json(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static bool made;
	const char *folder = support_fuzz_folder();
	ps_sae_folder sae;
	ps_sae shape;
	ps_diag diag = {0};
	size_t need;
	int rc;

	if (!made)
		write_weights();
	made = true;
	support_fuzz_file("cfg.json", bytes, length);
	rc = ps_sae_folder_measure(folder, &shape, &need, &diag);
	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	rc = ps_sae_folder_load(&sae, folder, &diag);
	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	if (sae.sae.d_in != 4 || sae.sae.d_sae != 8 || sae.sae.k > 8)
		__builtin_trap();
	ps_sae_folder_close(&sae);
	return 0;
}
