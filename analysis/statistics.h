/* analysis/statistics.h: the study's statistics: means, ranks, agreement, bootstrap intervals.
 *
 * Arithmetic is f64, by GSL where GSL has the function. A statistic that the data do not define (no
 * values, no variance) is NaN.
 *
 * Bootstrap (Efron 1979; of clusters: Davison, Hinkley 1997, 3.8). A replicate draws as many
 * clusters as there are, with replacement. The statistic sees a replicate as the number of times
 * that each cluster was drawn. Once each is the data themselves, which give the estimate. The
 * interval's ends are the percentiles (1 - confidence) / 2 and (1 + confidence) / 2 of the
 * replicates, interpolated linearly as numpy does by default. Replicate r draws from stream r of
 * the seed: same bits for any threads.
 *
 * Functions that take an arena use as many bytes of it as the matching ps_..._bytes function names,
 * and give them back. The arena must have the room. */
#ifndef PS_ANALYSIS_STATISTICS_H
#define PS_ANALYSIS_STATISTICS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/progress.h"

/* Arithmetic mean. NaN for no values. */
double ps_mean(const double *values, size_t count);
/* Standard deviation with divisor count - 1. NaN below two values. */
double ps_sd(const double *values, size_t count);

/* order (count): the indices by ascending value, ties by ascending index. Values must not be
 * NaN. */
void ps_sort_order(const double *values, size_t count, uint32_t *order);

/* Spearman: Pearson's correlation of the ranks. work: scratch for 2 count doubles. NaN below two
 * values and where a value is NaN. */
double ps_spearman(const double *x, const double *y, size_t count, double *work);

/* Kendall's W of m raters (rows) over n items (columns), scores (m, n), corrected for ties:
 *   W = (12 sum_i R_i^2 - 3 m^2 n (n + 1)^2) / (m^2 n (n^2 - 1) - m sum_j T_j)
 * R_i: sum of item i's ranks. T_j: sum of t^3 - t over rater j's groups of t tied items (Kendall,
 * Gibbons 1990). NaN where a score is. */
size_t ps_kendall_w_bytes(size_t items);
double ps_kendall_w(const double *scores, size_t raters, size_t items, ps_arena *arena);

/* --- bootstrap --- */

typedef struct ps_bootstrap {
	size_t replicates;
	double confidence; /* 0.95 */
	uint64_t seed;
} ps_bootstrap;

typedef struct ps_interval {
	double estimate, low, high;
	size_t replicates; /* that defined the statistic; low and high are percentiles of these */
} ps_interval;

/* An interval of which nothing is known. */
static inline ps_interval ps_no_interval(void)
{
	return (ps_interval){(double)NAN, (double)NAN, (double)NAN, 0};
}

/* The statistic of data in which cluster c occurs weights[c] times; NaN where they do not define
 * it. Called from several threads; worker (0 to threads - 1) selects scratch memory. */
typedef double (*ps_statistic)(void *self, const uint32_t *weights, int worker);

/* Estimate and interval of a statistic over clusters. PS_EINTERRUPTED: before it starts. Cost: one
 * call of the statistic for each replicate. */
size_t ps_bootstrap_bytes(const ps_bootstrap *bootstrap, size_t clusters, int threads);
int ps_bootstrap_run(const ps_bootstrap *bootstrap, size_t clusters, ps_statistic statistic,
		     void *self, const ps_context *context, ps_arena *arena,
		     ps_interval *out) PS_MUST_USE;

/* sum_c w_c numerator[c] / sum_c w_c denominator[c]; weights w: how often cluster c was drawn. */
typedef struct ps_ratio {
	const double *numerator;   /* (clusters) */
	const double *denominator; /* (clusters); NULL: ones, so the mean of the numerators */
} ps_ratio;

/* Interval of a ratio. Memory: ps_bootstrap_bytes. */
int ps_bootstrap_ratio(const ps_bootstrap *bootstrap, ps_ratio ratio, size_t clusters,
		       const ps_context *context, ps_arena *arena, ps_interval *out) PS_MUST_USE;

/* Interval of ratio - base, both over the same replicate's clusters. Memory: ps_bootstrap_bytes. */
int ps_bootstrap_ratio_change(const ps_bootstrap *bootstrap, ps_ratio ratio, ps_ratio base,
			      size_t clusters, const ps_context *context, ps_arena *arena,
			      ps_interval *out) PS_MUST_USE;

/* Numbers that belong together: x[i], y[i] and held[i] are of item i. */
typedef struct ps_paired {
	const double *x, *y;
	const double *held; /* NULL: none */
	size_t count;
} ps_paired;

/* Interval of Spearman of x and y over items, the items resampled. With `held`, of the correlation
 * of ranks with the ranks of z = held held fixed:
 *   (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))
 * NaN where a value is. Cost: O(count) a replicate, for the order is found once. */
size_t ps_spearman_interval_bytes(const ps_bootstrap *bootstrap, size_t count, int threads);
int ps_spearman_interval(const ps_bootstrap *bootstrap, const ps_paired *data,
			 const ps_context *context, ps_arena *arena, ps_interval *out) PS_MUST_USE;

#endif
