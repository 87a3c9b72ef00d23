/* core/model/kernel.h: the micro-kernels of the matrix product, in a table by CPU.
 *
 * A micro-kernel computes one tile of Y over one block of columns:
 *   tile[t, n] (+)= sum_k x[k, t] * w[k, n],   t < x_panel, n < w_panel
 *
 * Its operands are panels, and a panel is a sequence of slices. A slice holds one 32-bit element
 * for each token (of X) or row (of W), contiguous. What an element holds is the packing:
 *   PS_PACK_F32, PS_PACK_ROUNDED   a slice is one column:    x[t, k]
 *   PS_PACK_PAIRS                  a slice is two columns:   x[t, 2s] << 16 | x[t, 2s + 1]
 *                                  (the last column of an odd number is paired with 0)
 *
 * Kinds of kernels:
 *   f32    multiply-adds: BLIS's sgemm kernel for this CPU (core/model/blis_kernel.h). Our own
 *          replaces it if BLIS has none for the CPU's vectors: on many CPUs with AVX-512 BLIS 0.9
 *          takes an AVX2 kernel.
 *   bf16   vdpbf16ps with f32 sums (BLIS has no such kernel). CPUs without it use an f32 kernel on
 *          rounded operands.
 *
 * Each kernel sums k upwards, in one chain of multiply-adds for each element of the tile. Kernels
 * whose multiply-adds are fused agree in every bit. vdpbf16ps takes the high half of a pair first
 * (Intel's manual), hence the order of a pair; unlike the others it flushes denormals to 0.
 *
 * PRUNESCOPE_MATMUL=ref|avx2|blis|avx512|avx512_bf16 lowers the choice to that row of the table. */
#ifndef PS_CORE_MODEL_KERNEL_H
#define PS_CORE_MODEL_KERNEL_H

#include <stdbool.h>

#include "core/base/checked.h"
#include "core/base/error.h"
#include "core/model/blis_kernel.h"

#define PS_PANEL_MAX ((size_t)64) /* tokens or rows of the widest panel */

/* Of the operands of products; sums are f32 with either. */
typedef enum ps_precision { PS_PRECISION_F32, PS_PRECISION_BF16 } ps_precision;

/* What a 32-bit element of a slice holds. */
typedef enum ps_packing {
	PS_PACK_F32,     /* one f32 */
	PS_PACK_ROUNDED, /* one f32, rounded to bf16 */
	PS_PACK_PAIRS,   /* two bf16, the earlier column in the high half */
	PS_PACKINGS
} ps_packing;

typedef struct ps_kernel ps_kernel;

/* Computes tile (x_panel, w_panel), row-major; with add it adds to it. tile and w are aligned to 64
 * bytes. */
typedef void (*ps_tile_fn)(const ps_kernel *kernel, size_t slices, const void *x, const void *w,
			   float *tile, bool add);

struct ps_kernel {
	char name[48];           /* "blis zen3, f32 (6x16)" */
	ps_packing packing;      /* of the panels that tile reads */
	size_t x_panel, w_panel; /* tokens and rows of a tile; w_panel is even */
	size_t block;            /* columns of a block, even; part of the result's bits */
	ps_tile_fn tile;
	ps_blis_kernel blis;
};

/* Gets the memory that ps_kernel_choose and the kernels take outside the plan. A program calls it
 * once, before other threads run. PS_EBUDGET: there is none. */
int ps_kernel_prepare(ps_diag *diag) PS_MUST_USE;

/* The best kernel of this CPU, or what PRUNESCOPE_MATMUL asks for. */
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
