/* core/model/panel.h: matrices as sequences of panels, in the layout that the kernels of
 * core/model/kernel.h read.
 *
 *   X panels   (ceil(T / x_panel), slices(K), x_panel)
 *   W panels   (ceil(N / w_panel), slices(K), w_panel)
 *
 * Elements have 32 bits; those of missing tokens and rows are 0. Of a packing in blocks
 * (ps_packing_in_blocks) functions take columns from the beginning of a block on, and whole blocks
 * unless the panel ends there.
 *
 * Rows of W go through core/model/row_stage.h on their way: they are decoded, edited and packed,
 * and no edited or widened copy of a matrix exists. Weights that are stored as bf16 stay pairs for
 * any kernel; an f32 kernel widens them block by block (ps_panel_widen). */
#ifndef PS_CORE_MODEL_PANEL_H
#define PS_CORE_MODEL_PANEL_H

#include <stdbool.h>

#include "core/base/pool.h"
#include "core/model/kernel.h"
#include "core/model/weights.h"

/* Packs count <= x_panel rows of X (cols), stride floats apart, into one panel. The lanes of
 * missing rows become 0. */
void ps_panel_pack_x(const ps_kernel *kernel, const float *x, size_t stride, size_t count,
		     size_t cols, uint32_t *panel);

/* x = the rows of a panel, as the kernel sees them: the inverse of ps_panel_pack_x, up to its
 * rounding. */
void ps_panel_unpack_x(const ps_kernel *kernel, const uint32_t *panel, size_t count, size_t cols,
		       float *x, size_t stride);

/* The lanes of a panel, from one of them on. A lane holds a token of X or a row of W. */
typedef struct ps_lanes {
	ps_packing packing;
	size_t width;       /* lanes of the whole panel */
	uint32_t *elements; /* of the first lane, in slice 0 */
} ps_lanes;

/* Columns [first, first + cols) of count lanes = values (count, cols), rows stride apart. first is
 * even; cols is even unless the panel ends there. The other lanes stay as they are. */
void ps_panel_put(const ps_lanes *lanes, const float *values, size_t stride, size_t count,
		  size_t first, size_t cols);

/* The same for the transpose, values (cols, count): each row of values is one column of the
 * panel. Not for a packing in blocks. */
void ps_panel_put_columns(const ps_lanes *lanes, const float *values, size_t stride, size_t count,
			  size_t first, size_t cols);

/* Columns [0, cols) of count lanes = columns [first, first + cols) of rows [first_row, first_row +
 * count) of w; first is a multiple of 8. False if one of these weights is not finite. */
bool ps_panel_pack_w(const ps_lanes *lanes, const ps_weight *w, size_t first_row, size_t count,
		     size_t first, size_t cols) PS_MUST_USE;

/* Turns `cols` columns of a panel of pairs into a panel of f32. */
void ps_panel_widen(const uint32_t *pairs, size_t cols, size_t width, float *out);

/* A whole matrix in panels. */
typedef struct ps_panels {
	const ps_kernel *kernel;
	ps_packing packing; /* PS_PACK_PAIRS also with an f32 kernel, if the weights are bf16 */
	size_t rows, cols;
	uint32_t *data; /* aligned to 64 bytes */
} ps_panels;

/* How weights stored in this type are kept for a kernel: as pairs if bf16 holds all that the kernel
 * reads of them, as int16 for an int16 kernel. */
ps_packing ps_panels_packing(const ps_kernel *kernel, ps_dtype stored);

/* Bytes of ps_panels.data. */
size_t ps_panels_bytes(const ps_kernel *kernel, ps_packing packing, size_t rows, size_t cols);

/* Packs `count` matrices of equal cols, one below the other. kernel, packing and data are set; it
 * sets rows, the sum of theirs, and cols. False if a weight is not finite; ps_weight_check_finite
 * then says which. */
bool ps_panels_pack(ps_panels *panels, ps_pool *pool, const ps_weight *const *w,
		    size_t count) PS_MUST_USE;

/* Packs two matrices of equal shape, half panel by half panel. The first half of each panel's lanes
 * are rows of a, the second half the same rows of b. So one tile holds both products. Sets rows
 * (ps_panels_paired_rows) and cols. Result: as ps_panels_pack. */
bool ps_panels_pack_paired(ps_panels *panels, ps_pool *pool, const ps_weight *a,
			   const ps_weight *b) PS_MUST_USE;

/* The rows of paired panels: whole panels. */
size_t ps_panels_paired_rows(const ps_kernel *kernel, size_t rows);

#endif
