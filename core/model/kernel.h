/* core/model/kernel.h: the micro-kernels of the matrix product, one tile of Y at a time, in a table
 * by CPU.
 *
 *   tile[t, n] (+)= sum_k x[k, t] * w[k, n],   t < x_panel, n < w_panel, k in one block of columns
 *
 * Panels are sequences of slices; a slice is one 32-bit element for each token (of X) or row (of
 * W), contiguous:
 *   PS_F32    a slice is one column:   element = x[t, k]
 *   PS_BF16   a slice is two columns:  element = x[t, 2s] << 16 | x[t, 2s + 1], the last one padded with zero
 * Kinds:
 *   f32    multiply-adds: BLIS's sgemm kernel from its context for this CPU (core/model/blis_kernel.h), or our own where
 *          that has none for the CPU's vectors (BLIS 0.9 takes an AVX2 kernel on many CPUs with AVX-512)
 *   bf16   vdpbf16ps, f32 sums (BLIS has no such kernel); without it, an f32 kernel on operands rounded to bf16
 * Each sums k upwards in one chain of multiply-adds an element, fused where the CPU can, so that
 * kernels which fuse agree in every bit; vdpbf16ps takes a pair's high half first (Intel's manual),
 * hence the order in a pair, but flushes denormals.
 * PRUNESCOPE_MATMUL=ref|avx2|blis|avx512|avx512_bf16 lowers the choice to that row of the table. */
#ifndef PS_CORE_MODEL_KERNEL_H
#define PS_CORE_MODEL_KERNEL_H

#include <stdbool.h>

#include "core/base/checked.h"
#include "core/model/blis_kernel.h"

#define PS_PANEL_MAX ((size_t)64) /* tokens or rows of the widest panel of any kernel */

typedef enum ps_precision { PS_PRECISION_F32, PS_PRECISION_BF16 } ps_precision;

/* How the numbers of X and W stand in the 32-bit elements of a slice. */
typedef enum ps_packing {
	PS_PACK_F32,     /* one f32 */
	PS_PACK_ROUNDED, /* one f32 that was rounded to bf16 */
	PS_PACK_PAIRS,   /* two bf16, the earlier column in the high half */
	PS_PACKINGS
} ps_packing;

typedef struct ps_kernel ps_kernel;

/* tile (x_panel, w_panel), row-major; tile and w aligned to 64 bytes; add: += instead of =. */
typedef void (*ps_tile_fn)(const ps_kernel *kernel, size_t slices, const void *x, const void *w,
			   float *tile, bool add);

struct ps_kernel {
	char name[48];           /* "blis zen3, f32 (6x16)" */
	ps_packing packing;      /* of the panels that tile reads */
	size_t x_panel, w_panel; /* tokens and rows of a tile; w_panel is even */
	size_t block;            /* columns summed in one call, even: part of the result's bits */
	ps_tile_fn tile;
	ps_blis_kernel blis;
};

/* The best kernel of this CPU. */
ps_kernel ps_kernel_choose(ps_precision precision);

/* Columns that one element holds. */
static inline size_t ps_packing_columns(ps_packing packing)
{
	return packing == PS_PACK_PAIRS ? 2 : 1;
}

/* Slices of a panel with this many columns. */
static inline size_t ps_slices(ps_packing packing, size_t cols)
{
	return packing == PS_PACK_PAIRS ? ps_div_up(cols, 2) : cols;
}

#endif
