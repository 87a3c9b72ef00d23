/* analysis/statistics.h: the study's statistics: means, ranks, agreement, rank correlations.
 *
 * Arithmetic is f64; means and standard deviations sum in long double. A statistic that the data do
 * not define (no values, no variance) is NaN. Intervals are those of bootstrap.h.
 *
 * Functions that take an arena use as many bytes of it as the matching ps_..._bytes function names,
 * and give them back. The arena must have the room. */
#ifndef PS_ANALYSIS_STATISTICS_H
#define PS_ANALYSIS_STATISTICS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/bootstrap.h"

/* Arithmetic mean. NaN for no values. */
double ps_mean(const double *values, size_t count);
/* Standard deviation with divisor count - 1. NaN below two values. */
double ps_sd(const double *values, size_t count);

/* order (count): the indices by ascending value, ties by ascending index. Values must not be
 * NaN. */
void ps_sort_order(const double *values, size_t count, uint32_t *order);

/* ranks (count): from 1, ties sharing their mean rank. order: as ps_sort_order gives it. Item i
 * stands for weights[i] equal ones (NULL: one each). Returns the sum of t^3 - t over groups of t
 * tied items. */
double ps_ranks(const double *values, const uint32_t *order, const uint32_t *weights, size_t count,
		double *ranks);

/* Spearman: Pearson's correlation of the ranks. order (count) and ranks (2 count) are scratch. NaN
 * below two values, where a value is NaN, and where all values of x or of y are equal. */
double ps_spearman(const double *x, const double *y, size_t count, uint32_t *order, double *ranks);

/* Kendall's W of m raters (rows) over n items (columns), scores (m, n), corrected for ties:
 *   W = (12 sum_i R_i^2 - 3 m^2 n (n + 1)^2) / (m^2 n (n^2 - 1) - m sum_j T_j)
 * R_i: sum of item i's ranks. T_j: sum of t^3 - t over rater j's groups of t tied items (Kendall,
 * Gibbons 1990). NaN where a score is. */
size_t ps_kendall_w_bytes(size_t items);
double ps_kendall_w(const double *scores, size_t raters, size_t items, ps_arena *arena);

enum { PS_HELD_MAX = 3 };

/* Numbers that belong together: x[i], y[i] and held[v][i] are of item i. */
typedef struct ps_paired {
	const double *x, *y;
	const double *held[PS_HELD_MAX]; /* the first NULL ends the list */
	size_t count;
	const uint32_t
		*group; /* (count): below axis.count; NULL: each item is a group of its own */
	ps_axis axis;   /* the groups, which are resampled */
} ps_paired;

/* Interval of Spearman of x and y over items, their groups resampled. With held variables, of the
 * correlation of the ranks of x and y with the ranks of those held fixed. Each variable z is taken
 * out of all that remain, one after the other:
 *   r_xy <- (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))
 * NaN where a value is, and for x or y that a held variable determines. The ends are cut to
 * [-1, 1]. Cost: O(count) a replicate, for the order is found once. ..._bytes: of items or groups,
 * whichever are more. */
size_t ps_spearman_interval_bytes(const ps_bootstrap *bootstrap, size_t count, int threads);
int ps_spearman_interval(const ps_bootstrap *bootstrap, const ps_paired *data,
			 const ps_context *context, ps_arena *arena, ps_interval *out) PS_MUST_USE;

/* The same correlation within each group, and over all items but those of one group (leave one
 * out). within, without (axis.count); NaN below three items. Takes ps_spearman_groups_bytes from
 * the arena and gives them back. */
size_t ps_spearman_groups_bytes(size_t count, size_t groups);
void ps_spearman_groups(const ps_paired *data, ps_arena *arena, double *within, double *without);

#endif
