/* analysis/bootstrap.h: standard errors and intervals from resampled clusters.
 *
 * A replicate draws as many clusters as there are, with replacement (Efron 1979; of clusters:
 * Davison, Hinkley 1997, 3.8). The statistic sees a replicate as the number of times that each
 * cluster was drawn. Once each is the data themselves, which give the estimate.
 *
 * One unit (PS_KIND_T), R replicates theta_r over n clusters:
 *
 *   error = sqrt(n / (n - 1)) sd(theta_1 ... theta_R),   df = n - 1
 *
 * The factor undoes the bootstrap's bias (its variance has the divisor n). Percentiles of the
 * replicates cover less: 86 % at 8 clusters and 89 % at 16, where this interval covers 94 %
 * (docs/COVERAGE.md).
 *
 * Two units at once (PS_KIND_TWO_WAY), rows (say, windows) and columns (say, latents):
 *
 *   V_r, V_c, V_rc   variance of the replicates with rows, columns, or both resampled
 *   R = V_r n_r / (n_r - 1),   C = V_c n_c / (n_c - 1)
 *   E = (V_rc - V_r - V_c) n_r n_c / ((n_r - 1) (n_c - 1)), cut to [0, min(R, C)]
 *   error^2 = R + C - E,   df = error^4 / (R^2 / (n_r - 1) + C^2 / (n_c - 1))
 *
 * The noise of single cells is in both R and C, so it would count twice; in V_rc it is three times
 * (Owen, Annals of Applied Statistics 1, 2007, theorem 3). E estimates it. Subtracting it is the
 * estimator of Cameron, Gelbach, Miller (J. Business & Economic Statistics 29, 2011, eq. 2.13) with
 * bootstrap variances. df is Satterthwaite's, at least min(n_r, n_c) - 1.
 *
 * Replicate r draws rows, then columns, from stream r of the seed: same bits for any threads.
 * Sums over replicates run in their order.
 *
 * Functions that take an arena use as many bytes of it as the matching ps_..._bytes function names,
 * and give them back. The arena must have the room. PS_EINTERRUPTED: before they start. */
#ifndef PS_ANALYSIS_BOOTSTRAP_H
#define PS_ANALYSIS_BOOTSTRAP_H

#include "analysis/interval.h"
#include "core/base/arena.h"
#include "core/base/progress.h"

typedef struct ps_bootstrap {
	size_t replicates; /* at most 2^32 - 1 */
	double confidence; /* 0.95 */
	uint64_t seed;
} ps_bootstrap;

/* What is resampled. */
typedef struct ps_axis {
	size_t count;
	ps_unit unit;
	size_t effective; /* size of the smaller group, where two groups are compared; 0: count */
} ps_axis;

/* The statistic of data in which cluster c occurs weights[c] times; NaN where they do not define
 * it. Called from several threads; worker (0 to threads - 1) selects scratch memory. */
typedef double (*ps_statistic)(void *self, const uint32_t *weights, int worker);

/* Estimate and interval of a statistic. Cost: one call of the statistic for each replicate. */
size_t ps_bootstrap_bytes(const ps_bootstrap *bootstrap, size_t clusters, int threads);
int ps_bootstrap_run(const ps_bootstrap *bootstrap, ps_axis axis, ps_statistic statistic,
		     void *self, const ps_context *context, ps_arena *arena,
		     ps_interval *out) PS_MUST_USE;

/* A statistic over two axes. `prepare` does what depends on the rows' weights alone and keeps it in
 * place `slot`, from 0 to threads: slot 0 is the data themselves (each weight 1) and is prepared
 * once, before all others. `value` finishes with the columns' weights; slot 0 is read by several
 * threads at once. */
typedef struct ps_two_way {
	ps_axis rows, columns;
	ps_unit both; /* the name of the two units together */
	void (*prepare)(void *self, const uint32_t *weights, int slot);
	double (*value)(void *self, const uint32_t *weights, int slot);
	void *self;
} ps_two_way;

typedef struct ps_two_way_result {
	ps_interval both, rows, columns; /* rows, columns: that unit alone resampled */
} ps_two_way_result;

/* Cost: one `prepare` and three `value` for each replicate. */
size_t ps_two_way_bytes(const ps_bootstrap *bootstrap, size_t rows, size_t columns, int threads);
int ps_two_way_run(const ps_bootstrap *bootstrap, const ps_two_way *statistic,
		   const ps_context *context, ps_arena *arena, ps_two_way_result *out) PS_MUST_USE;

/* sum_c w_c numerator[c] / sum_c w_c denominator[c]; weights w: how often cluster c was drawn. */
typedef struct ps_ratio {
	const double *numerator;   /* (clusters) */
	const double *denominator; /* (clusters); NULL: ones, so the mean of the numerators */
} ps_ratio;

/* Interval of a ratio. Memory: ps_bootstrap_bytes. */
int ps_bootstrap_ratio(const ps_bootstrap *bootstrap, ps_ratio ratio, ps_axis axis,
		       const ps_context *context, ps_arena *arena, ps_interval *out) PS_MUST_USE;

/* Interval of ratio - base, both over the same replicate's clusters. Memory: ps_bootstrap_bytes. */
int ps_bootstrap_ratio_change(const ps_bootstrap *bootstrap, ps_ratio ratio, ps_ratio base,
			      ps_axis axis, const ps_context *context, ps_arena *arena,
			      ps_interval *out) PS_MUST_USE;

/* Windows that follow each other in a text depend on each other. A block of this many consecutive
 * perplexity windows is resampled as one cluster (Carlstein, Annals of Statistics 14, 1986). */
enum { PS_BLOCK_WINDOWS = 8 };

/* Adds up blocks of `block` consecutive values, in place. The last block may be shorter. Returns
 * how many there are: a ratio of sums over windows is the same ratio over blocks. */
size_t ps_block_sums(double *values, size_t count, size_t block);

#endif
