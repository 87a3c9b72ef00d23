/* core/model/matmul.h: Y = X W^T, the one matrix product of the program.
 *
 *   Y[t, n] = sum_k X[t, k] * W'[n, k],   W' = W after its edit (core/model/edit.h)
 *   X f32 (T, K) with row stride x_stride; Y f32 (T, N) with row stride y_stride
 *   W (N, K) bf16, f16 or f32
 *
 * PS_PRECISION_BF16 rounds X and W to bf16, PS_PRECISION_INT16 to int16 with a scale for each block
 * of columns (core/model/int16_block.h). Sums are f32, those of integers exact. core/model/kernel.h
 * chooses the kernel.
 *
 * There are two ways in:
 *   ps_matmul_run      for operands as they lie in memory; W is packed block by block on the way
 *   ps_matmul_panels   for packed operands (core/model/panel.h); each finished tile goes to a
 *                      function of the caller while it is in the cache
 *
 * Same bits: each Y[t, n] is summed over k in one fixed order, block by block of the kernel's. The
 * order does not depend on T or N, on the tile, on the way in, or on threads. T, N and K need not
 * be multiples of anything. K = 0 gives zeros. */
#ifndef PS_CORE_MODEL_MATMUL_H
#define PS_CORE_MODEL_MATMUL_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/pool.h"
#include "core/model/panel.h"
#include "core/model/weights.h"

typedef struct ps_matmul ps_matmul; /* the kernel, and the buffers of each worker */

/* Bytes that ps_matmul_create takes from its arena. max_k: columns of the widest product.
 * max_tokens: rows of X that ps_matmul_run should take at a time (it cuts a longer X itself); 0:
 * only ps_matmul_panels will be called. */
size_t ps_matmul_bytes(ps_precision precision, int threads, size_t max_tokens, size_t max_k);

/* The pool is borrowed and outlives the matrix product. */
ps_matmul *ps_matmul_create(ps_precision precision, ps_pool *pool, size_t max_tokens, size_t max_k,
			    ps_arena *arena);

/* The product above. y does not overlap x. False if a weight is NaN or infinite; y then holds what
 * comes of it, and ps_weight_check_finite says which weight it is. */
bool ps_matmul_run(ps_matmul *matmul, const float *x, size_t x_stride, size_t tokens,
		   const ps_weight *w, float *y, size_t y_stride);

/* A finished tile y (x_panel, w_panel). Its first `tokens` rows and `rows` columns are Y from
 * (first_token, first_row) on; the rest belongs to missing tokens and rows, and is 0. */
typedef struct ps_tile {
	const float *y;
	size_t first_token, tokens, first_row, rows;
} ps_tile;

/* Gets each tile once, in any order, from the pool's threads. It may change the tile. */
typedef void (*ps_tile_use)(void *context, const ps_tile *tile);

/* Computes every tile of the product of X panels (tokens, w->cols) and W panels, and hands it to
 * `use`. */
void ps_matmul_panels(ps_matmul *matmul, const uint32_t *x, size_t tokens, const ps_panels *w,
		      ps_tile_use use, void *context);

/* Where ps_tile_store puts tiles. */
typedef struct ps_tile_rows {
	const ps_kernel *kernel;
	float *y;
	size_t y_stride;
} ps_tile_rows;

/* A ps_tile_use that stores tiles as rows of y. tile_rows: a ps_tile_rows. */
void ps_tile_store(void *tile_rows, const ps_tile *tile);

/* The kernel it uses; panels are packed for it. */
const ps_kernel *ps_matmul_kernel(const ps_matmul *matmul);

/* The reference, to read and for tests: three loops, k ascending, weights widened one at a time. */
void ps_matmul_ref(const float *x, size_t x_stride, size_t tokens, const ps_weight *w, float *y,
		   size_t y_stride);

#endif
