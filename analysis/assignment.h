/* analysis/assignment.h: the linear assignment problem on a dense cost matrix.
 *
 *   minimise sum_i cost[i, column[i]] over one-to-one maps column: [0, R) -> [0, C), R <= C
 *
 * Method: Jonker, Volgenant (Computing 38, 1987): column reduction and reduction transfer (square only), two
 * sweeps of augmenting row reduction, then a shortest augmenting path for every row still free. Where R < C the
 * column reduction is left out: a column nobody takes must keep the dual 0.
 * Costs f32 (R, C) row-major, finite; duals and path lengths f64. The result carries its own proof:
 *   row_dual[i] + col_dual[j] <= cost[i, j], equal on the assignment; col_dual[j] <= 0 and 0 on untaken columns
 *   where R < C (up to some 1e-12 of rounding). So sum row_dual + sum col_dual = the minimum.
 * One thread, sequential: the same bits always; ties take a free column first, then the lower index.
 * Cost: O(R^2 C) at worst, each step one pass over a row of C costs; 4 R C bytes of costs are the caller's. */
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

size_t ps_assignment_bytes(size_t rows, size_t cols);

/* out's arrays are taken from the arena and stay valid with it; cost is borrowed for the call.
 * PS_EUSAGE: R > C, or a side beyond 2^32 - 2. PS_EINTERRUPTED: at the start and between paths. */
int ps_assignment_solve(const float *cost, size_t rows, size_t cols, const ps_context *context,
			ps_arena *arena, ps_assignment *out) PS_MUST_USE;

#endif
