/* test/fuzz/fuzz_mask.c: takes any bytes for a mask of the tiny model. */
#include "io/mask_file.h"
#include "test/fuzz/support_fuzz.h"

static void read_mask(const ps_mask_file *mask, const ps_model_config *config)
{
	volatile uint8_t sum = 0;

	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
			const ps_bitmap bits =
				ps_mask_file_find(mask, layer, (ps_projection)p, config);

			for (size_t i = 0;
			     bits.bits && i < bits.rows * ps_bitmap_row_bytes(bits.cols); i++)
				sum = sum ^ bits.bits[i];
		}
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("mask.safetensors", bytes, length);
	ps_mask_file mask = {0};
	ps_diag diag = {0};
	int rc = ps_mask_file_open(&mask, &ps_sys_linux, path, support_fuzz_model(),
				   &support_fuzz_digest, &diag);

	support_fuzz_check(rc, &diag);
	if (!rc)
		read_mask(&mask, support_fuzz_model());
	ps_mask_file_close(&mask);
	return 0;
}
