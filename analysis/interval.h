/* analysis/interval.h: an estimate with its 95 % interval, or the reason why it has none.
 *
 *   low, high = estimate -+ t error
 *
 * error is the estimate's standard error, t Student's quantile at (1 + confidence) / 2 with df
 * degrees of freedom (rounded to six decimals). So the interval always holds its estimate. p is the
 * two-sided probability, under Student's distribution, of an estimate as far from the null value as
 * this one. p < 0.05 exactly where the 95 % interval leaves the null value out (up to rounding).
 *
 * There is no interval, and so no verdict:
 * - below PS_CLUSTERS_LEAST resampled units. With fewer an interval covers less than it says
 *   (docs/COVERAGE.md). Where one group is compared with another, the smaller one counts.
 * - where nothing varies: low would equal high.
 * - where the data do not define the estimate, or more than 5 % of the replicates.
 * Then low, high and p are NaN, and `why` says which. The points and their range stand instead. */
#ifndef PS_ANALYSIS_INTERVAL_H
#define PS_ANALYSIS_INTERVAL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { PS_CLUSTERS_LEAST = 16 };

/* What is resampled. */
typedef enum ps_unit {
	PS_UNIT_NONE,
	PS_UNIT_WINDOWS,
	PS_UNIT_BLOCKS, /* of consecutive windows */
	PS_UNIT_LATENTS,
	PS_UNIT_WINDOWS_LATENTS, /* both, two-way */
	PS_UNIT_SEEDS,
	PS_UNIT_WINDOWS_SEEDS, /* both, two-way */
	PS_UNIT_MODELS,
} ps_unit;

typedef enum ps_interval_kind {
	PS_KIND_NONE,
	PS_KIND_T,       /* error: standard deviation of the replicates (bootstrap.h) */
	PS_KIND_TWO_WAY, /* error: from replicates of both units (bootstrap.h) */
	PS_KIND_DELONG,  /* error: DeLong's, of an AUC (auc.h) */
} ps_interval_kind;

typedef enum ps_no_interval_reason {
	PS_WHY_NONE, /* there is an interval */
	PS_WHY_FEW,
	PS_WHY_CONSTANT,
	PS_WHY_UNDEFINED,
} ps_no_interval_reason;

typedef struct ps_interval {
	double estimate, low, high;
	double error;        /* standard error; NaN: not known */
	double p;            /* of the null value */
	size_t n;            /* units resampled; the fewer of two, the smaller of two groups */
	uint32_t replicates; /* that defined the statistic; 0: none were drawn */
	ps_unit unit;
	ps_interval_kind kind;
	ps_no_interval_reason why;
} ps_interval;

/* An interval of which nothing is known. */
static inline ps_interval ps_no_interval(void)
{
	const double none = (double)NAN;

	return (ps_interval){none, none, none, none, none, .why = PS_WHY_UNDEFINED};
}

/* Names for files: "windows", "t", "too few". NULL for PS_..._NONE. */
const char *ps_unit_name(ps_unit unit);
const char *ps_interval_kind_name(ps_interval_kind kind);
const char *ps_no_interval_name(ps_no_interval_reason why);

/* What ps_interval_set needs beside the interval's estimate, error, n, unit and kind. */
typedef struct ps_interval_law {
	double confidence; /* 0.95 */
	double df;         /* degrees of freedom, above 0 */
	double null_value; /* that p is of */
} ps_interval_law;

/* Fills in low, high, p and why from estimate, error and n, by the rules above. */
void ps_interval_set(ps_interval *interval, const ps_interval_law *law);

/* Cuts the ends of an interval to the range that the statistic can take. */
void ps_interval_clip(ps_interval *interval, double least, double largest);

/* Holm's adjustment over a family of tests (Scandinavian J. Statistics 6, 1979): of the m numbers
 * of p sorted ascending, adjusted[i] = max over j <= i of min(1, (m - j) p[j]), j from 0. The
 * chance that any true null hypothesis has an adjusted p below alpha is at most alpha. NaN stays
 * NaN and is not in the family. Cost: O(count^2). */
void ps_holm(const double *p, size_t count, double *adjusted);

#endif
