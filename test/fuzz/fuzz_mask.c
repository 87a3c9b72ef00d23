/* test/fuzz/fuzz_mask.c: takes any bytes for a mask or a rounding of the tiny model, and edits rows
 * of zeros with it. */
#include "core/base/checked.h"
#include "io/edit_file.h"
#include "test/fuzz/support_fuzz.h"

#define STRIP ((size_t)256)

static void edit_rows(const ps_edit *edit, size_t rows, size_t cols)
{
	volatile float sum = 0;

	for (size_t row = 0; row < rows; row++)
		for (size_t first = 0; first < cols; first += STRIP) {
			const ps_edit_place place = {row, first, cols, PS_BF16};
			float values[STRIP] = {0};
			const size_t n = ps_min_size(STRIP, cols - first);

			ps_edit_apply(edit, &place, n, values);
			for (size_t i = 0; i < n; i++)
				sum = sum + values[i];
		}
}

static void read_edits(const ps_edit_file *mask, const ps_model_config *config)
{
	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
			const ps_edit edit = ps_edit_file_find(mask, layer, (ps_projection)p);
			size_t rows, cols;

			ps_projection_shape(config, (ps_projection)p, &rows, &cols);
			edit_rows(&edit, rows, cols);
		}
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const char *path = support_fuzz_file("mask.safetensors", bytes, length);
	ps_edit_file mask = {0};
	ps_diag diag = {0};
	int rc = ps_edit_file_open(&mask, &ps_sys_linux, path, support_fuzz_model(),
				   &support_fuzz_digest, &diag);

	support_fuzz_check(rc, &diag);
	if (!rc)
		read_edits(&mask, support_fuzz_model());
	ps_edit_file_close(&mask);
	return 0;
}
