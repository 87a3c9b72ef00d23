/* core/model/int16_block.h: numbers as int16, with an f32 scale for each block of columns.
 *
 * A row of weights or activations is cut into blocks of PS_INT16_BLOCK columns; the last one may be
 * shorter. A block b of a row x becomes a scale s and integers x':
 *   s     = max(max_k |x[k]| / 32767, |b| / 46330),   |b| = sqrt(sum_k x[k]^2)
 *   x'[k] = rint(x[k] / s)                            x[k] = s x'[k] + dx[k],  |dx[k]| <= s / 2
 *
 * Elements of a block, 32 bits each: s as f32, then pairs of x', the earlier column in the low
 * half. (An odd number of columns ends with a 0.)
 *
 * No sum leaves int32. Let w' and x' be one block of two rows, and S any of its columns:
 *   |w'| <= |w| / s + |rounding| <= 46330 (1 + 2^-22) + sqrt(256) / 2 < 46339     (triangle)
 *   |sum_S w'[k] x'[k]| <= |w'_S| |x'_S| <= |w'| |x'| < 46339^2 < 2^31            (Cauchy-Schwarz)
 * So every partial sum fits, in any order and for any values; (1 + 2^-22) covers the rounding of s,
 * of 1 / s and of x / s. No element exceeds 32767, so the sum of two products fits as well. Sums of
 * integers are exact: all kernels give the same sum of a block.
 *
 * Error of a block's product, since s <= |b| / 32767 (8 = sqrt(256) / 2):
 *   |w x - s_w s_x w' x'| <= |dw| |x| + |s_w w'| |dx| <= 2 (8 / 32767) (1 + 2^-10) |w| |x|
 * That is the worst case, 4.9e-4. The rounding errors of ordinary rows are independent, so they add
 * up to a twentieth of it.
 *
 * Same bits: s and x' depend on the numbers alone, not on the CPU. Squares of f32 are exact in f64,
 * so a fused multiply-add does not change their sum. A quotient is one product and rint.
 *
 * Numbers that are no numbers of this kind:
 *   - A block whose s is below 2^-126 becomes 0. All its numbers are below 2^-110.
 *   - If s_w s_x is below 2^-126, rounding it changes the block's product by at most 2^-119.
 *   - A block with a NaN or an infinity has the scale NaN and zeros: its product is NaN. */
#ifndef PS_CORE_MODEL_INT16_BLOCK_H
#define PS_CORE_MODEL_INT16_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/checked.h"

#define PS_INT16_BLOCK ((size_t)256) /* columns; part of the result's bits */

/* Elements of a row with so many columns. If cols is a multiple of the block, also where the next
 * column's block begins. */
static inline size_t ps_int16_slices(size_t cols)
{
	return ps_div_up(cols, 2) + ps_div_up(cols, PS_INT16_BLOCK);
}

/* Columns of a row, from the beginning of a block on: elements (ps_int16_slices(n)). */
void ps_int16_pack(const float *x, size_t n, uint32_t *elements);

/* x (n) = the numbers s x' of a row whose elements lie `step` apart. */
void ps_int16_unpack(const uint32_t *elements, size_t step, size_t n, float *x);

#endif
