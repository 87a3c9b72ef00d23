/* analysis/statistics.h: the study's statistics: means, ranks, agreement, bootstrap intervals.
 *
 * f64 throughout, GSL where GSL has it. A statistic that the data do not define (no values, no variance) is NaN.
 * Bootstrap (Efron 1979; of clusters: Davison, Hinkley 1997, 3.8): each replicate draws as many clusters as there
 * are, with replacement. A statistic sees a replicate as how often each cluster was drawn; all ones is the data
 * themselves and gives the estimate. Interval: percentiles (1 -+ confidence) / 2 of the replicates, interpolated
 * linearly (numpy's default). Replicate r draws from stream r of the seed: same bits for any number of threads. */
#ifndef PS_ANALYSIS_STATISTICS_H
#define PS_ANALYSIS_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/progress.h"

double ps_mean(const double *values, size_t count);
double ps_sd(const double *values, size_t count); /* divisor count - 1; NaN below two values */

/* Percentile of values, which this sorts: fraction in [0, 1]. */
double ps_quantile_sorting(double *values, size_t count, double fraction);

/* order (count): the indices by ascending value, ties by ascending index. NaN is not allowed among the values. */
void ps_sort_order(const double *values, size_t count, uint32_t *order);

/* Ranks from 1, ties sharing their mean rank; order receives what ps_sort_order gives. */
void ps_ranks(const double *values, size_t count, uint32_t *order, double *ranks);

/* Pearson's correlation of the ranks. work: 2 count doubles. NaN among the values gives NaN. */
double ps_spearman(const double *x, const double *y, size_t count, double *work);

/* Correlation of ranks with the ranks of z held fixed: (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2)). */
double ps_partial(double r_xy, double r_xz, double r_yz);

/* Kendall's W of m raters (rows) over n items (columns), scores (m, n), corrected for ties:
 *   W = (12 sum_i R_i^2 - 3 m^2 n (n + 1)^2) / (m^2 n (n^2 - 1) - m sum_j T_j)
 * R_i: sum of item i's ranks; T_j = sum (t^3 - t) over rater j's groups of t tied items (Kendall, Gibbons 1990). */
size_t ps_kendall_w_bytes(size_t items);
int ps_kendall_w(const double *scores, size_t raters, size_t items, ps_arena *arena, ps_diag *diag,
		 double *out) PS_MUST_USE;

typedef struct ps_bootstrap {
	size_t replicates;
	double confidence; /* 0.95 */
	uint64_t seed;
} ps_bootstrap;

typedef struct ps_interval {
	double estimate, low, high;
	size_t replicates; /* those on which the statistic was defined; low and high stand on them */
} ps_interval;

/* The statistic of the data in which cluster c occurs weights[c] times. Called from several threads; worker
 * (0..threads-1) selects scratch memory. NaN: not defined on this replicate. */
typedef double (*ps_statistic)(void *self, const uint32_t *weights, int worker);

size_t ps_bootstrap_bytes(const ps_bootstrap *bootstrap, size_t clusters, int threads);
int ps_bootstrap_run(const ps_bootstrap *bootstrap, size_t clusters, ps_statistic statistic,
		     void *self, const ps_context *context, ps_arena *arena,
		     ps_interval *out) PS_MUST_USE;

/* sum_c w_c numerator[c] / sum_c w_c denominator[c]; denominator NULL: ones, so the mean of the numerators. */
int ps_bootstrap_ratio(const ps_bootstrap *bootstrap, const double *numerator,
		       const double *denominator, size_t clusters, const ps_context *context,
		       ps_arena *arena, ps_interval *out) PS_MUST_USE;

/* The difference of two such ratios, both on the same replicate's clusters. */
int ps_bootstrap_ratio_change(const ps_bootstrap *bootstrap, const double *numerator,
			      const double *denominator, const double *base_numerator,
			      const double *base_denominator, size_t clusters,
			      const ps_context *context, ps_arena *arena,
			      ps_interval *out) PS_MUST_USE;

/* The mean over clusters of a[c] - b[c], both measured on cluster c. */
int ps_bootstrap_paired(const ps_bootstrap *bootstrap, const double *a, const double *b,
			size_t clusters, const ps_context *context, ps_arena *arena,
			ps_interval *out) PS_MUST_USE;

/* Spearman of x and y over items, the items resampled. O(count) a replicate: the order is found once. */
size_t ps_spearman_interval_bytes(const ps_bootstrap *bootstrap, size_t count, int threads);
int ps_spearman_interval(const ps_bootstrap *bootstrap, const double *x, const double *y,
			 size_t count, const ps_context *context, ps_arena *arena,
			 ps_interval *out) PS_MUST_USE;

/* The same with z held fixed (ps_partial). */
size_t ps_partial_interval_bytes(const ps_bootstrap *bootstrap, size_t count, int threads);
int ps_partial_interval(const ps_bootstrap *bootstrap, const double *x, const double *y,
			const double *z, size_t count, const ps_context *context, ps_arena *arena,
			ps_interval *out) PS_MUST_USE;

#endif
