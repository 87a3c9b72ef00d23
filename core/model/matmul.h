/* core/model/matmul.h: Y = X W^T, the one matrix product of the program.
 *
 *   Y[t, n] (+)= sum_k X[t, k] * keep[n, k] * W[n, k]
 *   X f32 (T, K) with row stride x_stride, W (N, K) bf16, f16 or f32 with its bitmap, Y f32 (T, N) with y_stride.
 *
 * PS_PRECISION_BF16 rounds X and W to bf16; sums are f32 in any case. The kernel is
 * core/model/kernel.h's choice. Two ways in: ps_matmul_run for operands as they lie in memory, W
 * packed block by block on the way, and ps_matmul_panels for operands that were packed before
 * (core/model/panel.h), whose tiles go to a function of the caller's, still in the cache.
 *
 * Same bits: each Y[t, n] is summed over k in one fixed order (blocks of the kernel's, ascending),
 * whatever T, N, the tile it falls in, the way in and the number of threads. T, N, K need not be
 * multiples of anything; K = 0 gives zeros. */
#ifndef PS_CORE_MODEL_MATMUL_H
#define PS_CORE_MODEL_MATMUL_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/pool.h"
#include "core/model/panel.h"
#include "core/model/weights.h"

typedef struct ps_matmul ps_matmul; /* kernel choice, packing buffers of each worker */

/* Bytes taken from the arena by ps_matmul_create, for products with at most max_tokens rows of X at
 * a time and at most max_k columns. max_tokens 0: for ps_matmul_panels alone. */
size_t ps_matmul_bytes(ps_precision precision, int threads, size_t max_tokens, size_t max_k);

ps_matmul *ps_matmul_create(ps_precision precision, ps_pool *pool, size_t max_tokens, size_t max_k,
			    ps_arena *arena);

/* The product above. */
void ps_matmul_run(ps_matmul *matmul, const float *x, size_t x_stride, size_t tokens,
		   const ps_weight *w, float *y, size_t y_stride);

/* A finished tile: y (x_panel, w_panel), of which tokens x rows from (first_token, first_row) on
 * are part of Y; what lies beyond comes from missing tokens and rows and is 0. */
typedef struct ps_tile {
	const float *y;
	size_t first_token, tokens, first_row, rows;
} ps_tile;

/* Called from the pool's threads, each tile once, in any order; may change the tile. */
typedef void (*ps_tile_use)(void *context, const ps_tile *tile);

/* Every tile of the product of X's panels (tokens, w->cols) and W's. */
void ps_matmul_panels(ps_matmul *matmul, const uint32_t *x, size_t tokens, const ps_panels *w,
		      ps_tile_use use, void *context);

/* A use: context is a ps_tile_rows. */
typedef struct ps_tile_rows {
	const ps_kernel *kernel;
	float *y;
	size_t y_stride;
} ps_tile_rows;
void ps_tile_store(void *tile_rows, const ps_tile *tile);

const ps_kernel *ps_matmul_kernel(const ps_matmul *matmul);

/* The didactic reference: three loops, k ascending, f32 weights widened one at a time. Tests
 * compare with it. */
void ps_matmul_ref(const float *x, size_t x_stride, size_t tokens, const ps_weight *w, float *y,
		   size_t y_stride);

#endif
