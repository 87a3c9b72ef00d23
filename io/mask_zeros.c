#include "io/mask_zeros.h"

#include <stdlib.h>
#include <string.h>

/* A bf16, f16 or f32 without its sign bit is 0. */
static bool is_zero(const unsigned char *value, size_t size)
{
	unsigned rest = value[size - 1] & 0x7fu;

	for (size_t i = 0; i + 1 < size; i++)
		rest |= value[i];
	return !rest;
}

static int read_rows(void *self, size_t matrix, size_t first, size_t rows, uint8_t *bits,
		     ps_diag *diag)
{
	ps_weight w;
	int rc = ps_checkpoint_projection(self, (int)(matrix / PS_PROJECTIONS),
					  (ps_projection)(matrix % PS_PROJECTIONS), &w, diag);

	if (!rc && ps_dtype_block(w.dtype) > 1)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: tensor %s is quantized: its zeros are not those of a mask",
			     w.place.path, w.place.tensor);
	if (!rc && !first)
		rc = ps_weight_check_finite(&w, diag);
	if (rc)
		return rc;
	ps_bitmap_fill(bits, rows, w.cols);
	for (size_t r = 0; r < rows; r++) {
		const size_t size = ps_dtype_size(w.dtype);
		const unsigned char *row =
			(const unsigned char *)w.data + ps_weight_at(&w, first + r, 0);

		for (size_t c = 0; c < w.cols; c++)
			if (is_zero(row + c * size, size))
				ps_bitmap_drop(bits + r * ps_bitmap_row_bytes(w.cols), c);
	}
	return 0;
}

static void leave_open(void *self)
{
	(void)self;
}

int ps_mask_zeros_open(ps_mask_source *source, ps_checkpoint *checkpoint, uint64_t digest,
		       ps_diag *diag)
{
	const ps_model_config *config = ps_checkpoint_config(checkpoint);
	const size_t count = config->layers * PS_PROJECTIONS;

	*source = (ps_mask_source){.matrices = calloc(count, sizeof *source->matrices),
				   .count = count,
				   .verified = true,
				   .digest = digest,
				   .self = checkpoint,
				   .read = read_rows,
				   .close = leave_open};
	if (!source->matrices)
		return ps_fail(diag, PS_EBUDGET, "no memory for %zu names", count);
	for (size_t i = 0; i < count; i++) {
		ps_edit_matrix *m = &source->matrices[i];
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);

		ps_projection_tensor((int)(i / PS_PROJECTIONS), p, m->name);
		ps_projection_shape(config, p, &m->rows, &m->cols);
	}
	return 0;
}
