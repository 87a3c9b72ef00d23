/* test/fuzz/fuzz_bitmask.c: takes any bytes for the weights of a sparse-bitmask checkpoint, and
 * reads its masks. */
#include <stdio.h>
#include <string.h>

#include "io/bitmask_checkpoint.h"
#include "test/fuzz/support_fuzz.h"

enum { BITS_BYTES_MAX = 1 << 16 };

static const char config[] =
	"{\"quantization_config\": {\"sparsity_config\": {\"format\": \"sparse-bitmask\"}}}";

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	static uint8_t bits[BITS_BYTES_MAX];
	char folder[512];
	ps_mask_source source;
	ps_diag diag = {{0}};
	int rc;

	support_fuzz_file("bitmask/config.json", config, sizeof config - 1);
	(void)snprintf(folder, sizeof folder, "%s",
		       support_fuzz_file("bitmask/model.safetensors", bytes, length));
	*strrchr(folder, '/') = 0;
	rc = ps_bitmask_checkpoint_open(&source, &ps_sys_linux, folder, NULL, NULL, &diag);
	for (size_t i = 0; i < source.count && !rc; i++) {
		const ps_edit_matrix *m = &source.matrices[i];
		const bool fits = ps_bitmap_row_bytes(m->cols) <= sizeof bits;

		for (size_t first = 0; first < m->rows && !rc && fits; first++)
			rc = source.read(source.self, i, first, 1, bits, &diag);
	}
	support_fuzz_check(rc, &diag);
	ps_mask_source_close(&source);
	return 0;
}
