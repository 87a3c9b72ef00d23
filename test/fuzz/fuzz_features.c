/* test/fuzz/fuzz_features.c: takes any bytes for a table of features. */
#include "test/fuzz/support_fuzz.h"
#include "tools/cmd/feature_file.h"

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("features.safetensors", bytes, length);

	for (int verify = 0; verify < 2; verify++) {
		ps_feature_file file = {0};
		ps_diag diag = {{0}};
		int rc = ps_feature_file_open(&file, &ps_sys_linux, path, verify, &diag);

		support_fuzz_check(rc, &diag);
		for (size_t latent = 0; latent < file.latents && !rc; latent++) {
			ps_feature_row row;

			ps_feature_file_read(&file, latent, &row);
			if (row.class >= PS_FEATURE_CLASSES)
				__builtin_trap();
		}
		ps_feature_file_close(&file);
	}
	return 0;
}
