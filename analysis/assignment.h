/* analysis/assignment.h: the linear assignment problem on a dense cost matrix.
 *
 *   minimise sum_i cost[i, column[i]] over one-to-one maps column: [0, R) -> [0, C), R <= C
 *
 * Method: Jonker, Volgenant (Computing 38, 1987). Column reduction and reduction transfer, two
 * sweeps of augmenting row reduction, then a shortest augmenting path for every row that is still
 * free. Where R < C the column reduction is left out, because a column that no row takes must keep
 * the dual 0.
 *
 * Costs are f32 (R, C), row-major, finite; duals and path lengths are f64. The result carries its
 * proof:
 *   row_dual[i] + col_dual[j] <= cost[i, j], and equal on the assignment;
 *   where R < C, col_dual[j] <= 0, and 0 on columns that no row takes;
 * each up to some 1e-12 of rounding. So sum row_dual + sum col_dual is the minimum.
 *
 * One thread: the same bits always. Ties take a free column first, then the lower index. Cost:
 * O(R^2 C) at worst; each step is one pass over a row of C costs. */
#ifndef PS_ANALYSIS_ASSIGNMENT_H
#define PS_ANALYSIS_ASSIGNMENT_H

#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/progress.h"

typedef struct ps_assignment {
	uint32_t *column; /* (R) */
	double *row_dual; /* (R) */
	double *col_dual; /* (C) */
	double total;     /* sum of the assigned costs */
} ps_assignment;

/* Bytes of an arena that a solution takes, without the costs, which are the caller's. */
size_t ps_assignment_bytes(size_t rows, size_t cols);

/* Solves the problem. out's arrays are taken from the arena and live as long as it does; the rest
 * is given back. PS_EUSAGE: R > C, or a side beyond 2^32 - 2. PS_EINTERRUPTED: at the start and
 * between paths. */
int ps_assignment_solve(const float *cost, size_t rows, size_t cols, const ps_context *context,
			ps_arena *arena, ps_assignment *out) PS_MUST_USE;

#endif
