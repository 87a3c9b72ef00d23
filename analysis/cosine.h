/* analysis/cosine.h: all cosines of the rows of two matrices, tile by tile.
 *
 *   C[i, j] = a_i . b_j / (|a_i| |b_j|),  A (N_a, D), B (N_b, D) f32;  a row of zeros has cosine 0 with everything
 *   row_best[i], row_index[i]: the largest C[i, .] and the lowest j that has it;  col_*: the same of C[., j]
 *   matrix (N_a, N_b): -C[i, j], the cost that an assignment of the largest sum minimises
 * B NULL: N_b random unit rows instead, row j from stream PS_NULL_STREAMS + j of the seed (normal numbers,
 * normalised), for nulls: streams from which no SAE starts, whatever the seed.
 *
 * Rows are normalised in f64 as their tile is made, so no copy of a matrix exists: scratch does not depend on
 * N_a N_b. Products on core/matmul. Same bits for any number of threads.
 * Errors: PS_EINPUT naming the row that holds a number that is not finite. */
#ifndef PS_ANALYSIS_COSINE_H
#define PS_ANALYSIS_COSINE_H

#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/progress.h"

#define PS_NULL_STREAMS ((uint64_t)1 << 40)

typedef struct ps_cosine_task {
	const float *a, *b;
	size_t a_rows, b_rows, width;
	uint64_t seed;       /* of the random rows, where b is NULL */
	float *row_best;     /* (N_a) or NULL */
	uint32_t *row_index; /* (N_a), with row_best */
	float *col_best;     /* (N_b) or NULL */
	uint32_t *col_index; /* (N_b), with col_best */
	float *matrix;       /* (N_a, N_b) or NULL */
} ps_cosine_task;

/* Scratch taken from the arena while a task runs, and given back. */
size_t ps_cosine_bytes(size_t a_rows, size_t b_rows, size_t width, int threads);
int ps_cosine_run(const ps_cosine_task *task, const ps_context *context,
		  ps_arena *arena) PS_MUST_USE;

#endif
