/* analysis/cosine.h: all cosines of the rows of two matrices, tile by tile.
 *
 *   C[i, j] = a_i . b_j / (|a_i| |b_j|),  A (N_a, D), B (N_b, D) f32;  0 where a row is zero
 *   row_best[i], row_index[i]: the largest C[i, .] and the lowest j that has it
 *   col_best[j], col_index[j]: the largest C[., j] and the lowest i that has it
 *   matrix (N_a, N_b): -C[i, j], the costs whose cheapest assignment has the largest sum of cosines
 *
 * With b NULL, B is N_b random unit rows, for nulls. Row j is normal numbers, normalised, from
 * stream PS_NULL_STREAMS + j of the seed. No SAE starts from these streams, whatever its seed.
 *
 * Rows are normalised in f64 as their tile is made. So there is no copy of a matrix, and scratch
 * memory does not depend on N_a N_b. Products are core/model/matmul's. Same bits for any number of
 * threads. */
#ifndef PS_ANALYSIS_COSINE_H
#define PS_ANALYSIS_COSINE_H

#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/progress.h"

#define PS_NULL_STREAMS ((uint64_t)1 << 40)

/* What is given, and where results go; a result whose pointer is NULL is not computed. */
typedef struct ps_cosine_task {
	const float *a, *b;
	size_t a_rows, b_rows, width; /* N_a, N_b, D */
	uint64_t seed;                /* of the random rows, where b is NULL */
	float *row_best;              /* (N_a) */
	uint32_t *row_index;          /* (N_a), with row_best */
	float *col_best;              /* (N_b) */
	uint32_t *col_index;          /* (N_b), with col_best */
	float *matrix;                /* (N_a, N_b) */
} ps_cosine_task;

/* Runs a task. Takes ps_cosine_bytes from the arena and gives them back. PS_EINPUT names the first
 * row that holds a number that is not finite. PS_EINTERRUPTED: between tiles. */
size_t ps_cosine_bytes(size_t a_rows, size_t b_rows, size_t width, int threads);
int ps_cosine_run(const ps_cosine_task *task, const ps_context *context,
		  ps_arena *arena) PS_MUST_USE;

#endif
