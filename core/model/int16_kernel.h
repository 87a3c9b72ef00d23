/* core/model/int16_kernel.h: the int16 tiles of core/model/kernel.h, one per instruction set.
 *
 *   sum[t, n]  = sum_k x'[k, t] * w'[k, n]     over one block of columns, exact in int32
 *   tile[t, n] = fma(f32(sum[t, n]), s_x[t] * s_w[n], add ? tile[t, n] : 0)
 *
 * Operands are panels in the packing of core/model/int16_block.h, which proves that no sum leaves
 * int32. The first slice of a block holds the scales, each other one a pair of columns.
 *
 * Same bits: the sum is exact, and three roundings follow in this order: of the sum to f32, of the
 * product of the scales, of the fused multiply-add. So all tiles agree in every bit, of whatever
 * size they are. */
#ifndef PS_CORE_MODEL_INT16_KERNEL_H
#define PS_CORE_MODEL_INT16_KERNEL_H

#include "core/model/kernel.h"

/* From the worst to the best; every CPU supports the first. */
extern const ps_kernel_row ps_int16_rows[];
extern const size_t ps_int16_row_count;

#endif
