/* core/model/panel.h: matrices as sequences of micro-panels, in the layout that
 * core/model/kernel.h's tiles read.
 *
 *   X panels   (ceil(T / x_panel), slices(K), x_panel)
 *   W panels   (ceil(N / w_panel), slices(K), w_panel)      32-bit elements; tokens and rows that are missing are 0
 * W is masked, and rounded to bf16 where that is asked for, while it is packed: neither a masked
 * nor a widened copy of a matrix exists. Weights that are bf16 already stay halves, two to an
 * element, for any kernel (ps_panel_widen). */
#ifndef PS_CORE_MODEL_PANEL_H
#define PS_CORE_MODEL_PANEL_H

#include "core/base/pool.h"
#include "core/model/kernel.h"
#include "core/model/weights.h"

/* Packs `count` <= panel rows of X (cols, stride floats apart) into one panel. */
void ps_panel_pack_x(const ps_kernel *kernel, const float *x, size_t stride, size_t count,
		     size_t cols, uint32_t *panel);

/* The rows of a panel again, as the kernel sees them. */
void ps_panel_unpack_x(const ps_kernel *kernel, const uint32_t *panel, size_t count, size_t cols,
		       float *x, size_t stride);

/* The lanes of a panel from one on. */
typedef struct ps_lanes {
	ps_packing packing;
	size_t width;       /* lanes of the whole panel */
	uint32_t *elements; /* the first lane's in slice 0 */
} ps_lanes;

/* Columns [first, first + cols) of count lanes = values (count, cols), rows stride apart. first is
 * even; cols is even unless the panel ends there. The other lanes stay as they are. */
void ps_panel_put(const ps_lanes *lanes, const float *values, size_t stride, size_t count,
		  size_t first, size_t cols);

/* The same for the transpose, values (cols, count): each row of values is one column of the
 * panel. */
void ps_panel_put_columns(const ps_lanes *lanes, const float *values, size_t stride, size_t count,
			  size_t first, size_t cols);

/* Columns [0, cols) of count lanes = columns [first, first + cols) of rows [first_row, first_row +
 * count) of w; first is a multiple of 8. */
void ps_panel_pack_w(const ps_lanes *lanes, const ps_weight *w, size_t first_row, size_t count,
		     size_t first, size_t cols);

/* cols columns of a bf16 panel as an f32 panel. */
void ps_panel_widen(const uint32_t *pairs, size_t cols, size_t width, float *out);

/* A whole matrix in panels. */
typedef struct ps_panels {
	const ps_kernel *kernel;
	ps_packing packing; /* PS_PACK_PAIRS also with an f32 kernel, where the weights are bf16 */
	size_t rows, cols;
	uint32_t *data; /* aligned to 64 bytes */
} ps_panels;

/* How weights of the stored type `stored` are kept for this kernel: as pairs if bf16 holds all that
 * the kernel reads. */
ps_packing ps_panels_packing(const ps_kernel *kernel, ps_dtype stored);
size_t ps_panels_bytes(const ps_kernel *kernel, ps_packing packing, size_t rows, size_t cols);

/* Packs matrices of equal cols one below the other: rows = the sum of theirs; kernel, packing and
 * data are set. */
void ps_panels_pack(ps_panels *panels, ps_pool *pool, const ps_weight *const *w, size_t count);

/* Packs two matrices of equal shape half panel by half panel: the first half of panel p's lanes are
 * rows of a, the second half the same rows of b, so that one tile holds both products. rows:
 * ps_panels_paired_rows. */
void ps_panels_pack_paired(ps_panels *panels, ps_pool *pool, const ps_weight *a,
			   const ps_weight *b);
size_t ps_panels_paired_rows(const ps_kernel *kernel, size_t rows);

#endif
