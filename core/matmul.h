/* core/matmul.h: Y = X W^T (+ optional accumulation), the one matrix product of the program.
 *
 *   Y[t, n] (+)= sum_k X[t, k] * keep[n, k] * W[n, k]
 *   X f32 (T, K) with row stride x_stride, W (N, K) bf16, f16 or f32 with its bitmap, Y f32 (T, N) with y_stride.
 *
 * W is widened and masked while it is packed into micro-panels, panel by panel: no second copy of a matrix
 * exists. The micro-kernel is our own AVX-512 one where the CPU has that (BLIS 0.9 takes an AVX2 kernel on many
 * of those), else BLIS's sgemm kernel from its context for this CPU (called by core/blis_kernel.c and nowhere
 * else), or the portable reference; PRUNESCOPE_MATMUL=avx512|blis|ref overrides.
 *
 * Same bits: each Y[t, n] is summed over k in one fixed order (blocks of KC, ascending), whatever T, N, the
 * tile it falls in and the number of threads. T, N, K need not be multiples of anything; K = 0 gives zeros. */
#ifndef PS_CORE_MATMUL_H
#define PS_CORE_MATMUL_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/pool.h"
#include "core/weights.h"

typedef struct ps_matmul ps_matmul; /* kernel choice, block sizes, packing buffers of each worker */

/* Bytes taken from the arena by ps_matmul_create, for products with at most max_tokens rows of X at a time
 * and at most max_k columns. */
size_t ps_matmul_bytes(int threads, size_t max_tokens, size_t max_k);


int ps_matmul_create(ps_matmul **matmul, ps_pool *pool, size_t max_tokens, size_t max_k, ps_arena *arena,
		     ps_diag *diag) PS_MUST_USE;

/* The product above. accumulate: Y += instead of Y =. */
void ps_matmul_run(ps_matmul *matmul, const float *x, size_t x_stride, size_t tokens, const ps_weight *w, float *y,
		   size_t y_stride, bool accumulate);

/* "blis (zen3, 6x16)", "ref": for reports. */
const char *ps_matmul_kernel(const ps_matmul *matmul);

/* The didactic reference: three loops, k ascending, f32 weights widened one at a time. Tests compare with it. */
void ps_matmul_ref(const float *x, size_t x_stride, size_t tokens, const ps_weight *w, float *y, size_t y_stride,
		   bool accumulate);

#endif
