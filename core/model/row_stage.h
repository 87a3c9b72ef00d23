/* core/model/row_stage.h: what happens to a row of numbers between its file and the panels that
 * kernels read.
 *
 *   stored row --decode--> f32 --edit--> f32 --pack--> 32-bit elements of a panel
 *
 *   decode      the stored type (F32, BF16, F16, blocks of GGUF) becomes f32, and a form that GGUF
 *               stores is undone (ps_weight_decode of weights.h); table `dtypes` of
 *               core/base/dtype.c
 *   edit        what the run does to weights: a mask sets some to 0, a rounding changes all;
 *               table `kinds` of edit.c
 *   pack        f32 becomes the kernel's elements (ps_packing of kernel.h);
 *               table `packers` of row_stage.c
 *
 * Rows of weights go through all three stages, rows of activations only through the last.
 * core/model/panel.c calls the stage for every row that it packs, and nothing else packs. So each
 * of these changes is made once:
 *   a stored type   a row of `dtypes` with its decoder; ps_weight_decode, if its rows stand in
 *                   another order or form
 *   an edit         core/model/edit.h; its results must be numbers of the stored type, so that
 *                   ps_panels_packing of panel.c stays right
 *   a packing       ps_packing, ps_packing_columns and ps_slices of kernel.h; a row of `packers`;
 *                   a row of a table of kernels, with a tile that reads it; ps_panels_packing, if
 *                   weights stay in it between calls
 *
 * Rows of weights are also looked at for numbers that are not finite. A NaN or an infinity that the
 * mask drops is no such number: the mask sets it to 0.
 *
 * test_matmul checks every stored type, with and without a mask, on every kernel of the CPU. */
#ifndef PS_CORE_MODEL_ROW_STAGE_H
#define PS_CORE_MODEL_ROW_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/model/kernel.h"
#include "core/model/weights.h"

#define PS_STAGE_COLUMNS ((size_t)256) /* columns of one call of ps_stage_weights, at most */

/* Columns [first, first + n) of a row of w, decoded, edited and packed; first is a multiple of
 * 8, and with a packing in blocks the beginning of one; n <= PS_STAGE_COLUMNS. elements has room
 * for ps_slices(packing, n). False if one of them is not finite; ps_weight_check_finite then says
 * which. */
bool ps_stage_weights(const ps_weight *w, size_t row, size_t first, size_t n, ps_packing packing,
		      uint32_t *elements) PS_MUST_USE;

/* n columns of one row of activations, from the beginning of a block on, packed: elements
 * (ps_slices(packing, n)). */
void ps_stage_values(ps_packing packing, const float *x, size_t n, uint32_t *elements);

/* One slice of n rows: elements[i] = row i's column x[i] and, if the packing holds two columns, the
 * next one, next[i]. next NULL: there is no next column, its half of each element is 0. Not for a
 * packing in blocks. */
void ps_stage_slice(ps_packing packing, const float *x, const float *next, size_t n,
		    uint32_t *elements);

/* The inverse of ps_stage_values, up to its rounding: n columns of a row whose elements lie `step`
 * apart. */
void ps_stage_unpack(ps_packing packing, const uint32_t *elements, size_t step, size_t n, float *x);

#endif
