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
 *   PS_PACK_INT16                  each block of columns is a slice of scales, then slices of two
 *                                  columns (core/model/int16_block.h)
 *
 * Kinds of kernels:
 *   f32    multiply-adds: BLIS's sgemm kernel for this CPU (core/model/blis_kernel.h). Our own
 *          replaces it if BLIS has none for the CPU's vectors: on many CPUs with AVX-512 BLIS 0.9
 *          takes an AVX2 kernel.
 *   bf16   vdpbf16ps with f32 sums (BLIS has no such kernel). CPUs without it use an f32 kernel on
 *          rounded operands.
 *   int16  integer products with exact int32 sums of a block (core/model/int16_kernel.h); blocks
 *          are summed in f32.
 *
 * Each f32 or bf16 kernel sums k upwards, in one chain of multiply-adds for each element of the
 * tile. Kernels whose multiply-adds are fused agree in every bit. vdpbf16ps takes the high half of
 * a pair first (Intel's manual), hence the order of a pair; unlike the others it flushes denormals
 * to 0. int16 kernels agree in every bit.
 *
 * PRUNESCOPE_MATMUL names a row: f32 and bf16 take at best ref, avx2, blis, avx512 or avx512_bf16,
 * int16 at best ref, neon, avx2, avx_vnni, avx512bw or avx512_vnni. A precision that has no row of
 * this name chooses freely. */
#ifndef PS_CORE_MODEL_KERNEL_H
#define PS_CORE_MODEL_KERNEL_H

#include <stdbool.h>

#include "core/base/checked.h"
#include "core/base/error.h"
#include "core/model/blis_kernel.h"
#include "core/model/int16_block.h"

#define PS_PANEL_MAX ((size_t)64) /* tokens or rows of the widest panel */

/* Of the operands of products; sums are f32, with int16 from one block of columns to the next. */
typedef enum ps_precision {
	PS_PRECISION_F32,
	PS_PRECISION_BF16,
	PS_PRECISION_INT16,
	PS_PRECISIONS
} ps_precision;

/* What a 32-bit element of a slice holds. */
typedef enum ps_packing {
	PS_PACK_F32,     /* one f32 */
	PS_PACK_ROUNDED, /* one f32, rounded to bf16 */
	PS_PACK_PAIRS,   /* two bf16, the earlier column in the high half */
	PS_PACK_INT16,   /* an f32 scale or two int16 */
	PS_PACKINGS
} ps_packing;

typedef struct ps_kernel ps_kernel;

/* Computes tile (x_panel, w_panel), row-major; with add it adds to it. tile is aligned to 64 bytes,
 * w to a slice or 64 bytes, whichever is less. */
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

/* A row of the tables of kernels; for kernel.c and int16_kernel.c. */
typedef struct ps_kernel_row {
	const char *isa;
	bool (*supported)(void);
	ps_packing packing;      /* PS_PACK_F32 also serves bf16, with rounded operands */
	size_t x_panel, w_panel; /* 0: those of BLIS's kernel */
	ps_tile_fn tile;         /* NULL: BLIS's */
} ps_kernel_row;

/* Gets the memory that ps_kernel_choose and the kernels take outside the plan. A program calls it
 * once, before other threads run. PS_EBUDGET: there is none. PS_EUSAGE: PRUNESCOPE_MATMUL is the
 * name of no kernel of this architecture. */
int ps_kernel_prepare(ps_diag *diag) PS_MUST_USE;

/* The best kernel of this CPU, or what PRUNESCOPE_MATMUL asks for. */
ps_kernel ps_kernel_choose(ps_precision precision);

/* The kernel of attention's products, which are f32 if the others are int16. */
ps_kernel ps_kernel_choose_attention(ps_precision precision);

/* The kernel on which the last bits of a forward pass depend. With int16 that is attention's, since
 * all int16 kernels agree; its name then says so. */
ps_kernel ps_kernel_of_bits(ps_precision precision);

/* "f32", "bf16" or "int16", as in options and files. */
const char *ps_precision_name(ps_precision precision);

/* The precision of that name. PS_EUSAGE: there is none. */
int ps_precision_parse(const char *name, ps_precision *precision, ps_diag *diag) PS_MUST_USE;

/* Columns that one element holds. */
static inline size_t ps_packing_columns(ps_packing packing)
{
	return packing == PS_PACK_PAIRS || packing == PS_PACK_INT16 ? 2 : 1;
}

/* Slices of a panel with this many columns. With PS_PACK_INT16 and whole blocks of columns this is
 * also where the next block begins. */
static inline size_t ps_slices(ps_packing packing, size_t cols)
{
	if (packing == PS_PACK_INT16)
		return ps_int16_slices(cols);
	return packing == PS_PACK_PAIRS ? ps_div_up(cols, 2) : cols;
}

/* Whether a row must be packed a block of columns at a time, since its numbers share a scale. */
static inline bool ps_packing_in_blocks(ps_packing packing)
{
	return packing == PS_PACK_INT16;
}

#endif
