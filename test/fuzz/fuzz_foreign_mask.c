/* test/fuzz/fuzz_foreign_mask.c: takes any bytes for a mask of another tool, in a safetensors file
 * or an npz, and reads it in every coding. */
#include <string.h>

#include "io/checkpoint.h"
#include "io/mask_tensors.h"
#include "test/fuzz/support_fuzz.h"

/* Of a mask; a larger one takes long, and tells nothing more. */
enum { BITS_BYTES_MAX = 1 << 16, ROWS_MAX = 1 << 14 };

/* The model that the fixtures are of. */
static const ps_model_config *model(void)
{
	static ps_checkpoint *checkpoint;

	if (!checkpoint &&
	    ps_checkpoint_open(&checkpoint, &ps_sys_linux, "test/fixtures/checkpoint/f32", NULL))
		__builtin_trap();
	return ps_checkpoint_config(checkpoint);
}

static int read_matrix(const ps_mask_source *source, size_t i, ps_diag *diag)
{
	static uint8_t bits[BITS_BYTES_MAX];
	const ps_edit_matrix *m = &source->matrices[i];
	const size_t row_bytes = ps_bitmap_row_bytes(m->cols);
	int rc = 0;

	if (8 * m->cols > PS_MASK_BLOCK_BYTES / 8 || m->rows > ROWS_MAX)
		return 0;
	for (size_t first = 0; first < m->rows && !rc; first++) {
		rc = source->read(source->self, i, first, 1, bits, diag);
		if (!rc && m->cols % 8 && bits[row_bytes - 1] >> m->cols % 8)
			__builtin_trap();
	}
	return rc;
}

static void read_mask(const char *path, ps_mask_coding coding, const ps_model_config *config)
{
	ps_mask_source source;
	ps_diag diag = {{0}};
	int rc = ps_mask_tensors_open(&source, &ps_sys_linux, path, coding, config, &diag);

	for (size_t i = 0; i < source.count && !rc; i++)
		rc = read_matrix(&source, i, &diag);
	support_fuzz_check(rc, &diag);
	ps_mask_source_close(&source);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	const bool zip = length > 2 && !memcmp(bytes, "PK", 2);
	const char *path = support_fuzz_file(zip ? "mask.npz" : "mask.safetensors", bytes, length);

	for (int coding = PS_MASK_VALUES; coding <= PS_MASK_BITS_MSB; coding++) {
		read_mask(path, (ps_mask_coding)coding, NULL);
		read_mask(path, (ps_mask_coding)coding, model());
	}
	return 0;
}
