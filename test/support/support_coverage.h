/* test/support/support_coverage.h: how often intervals hold a known truth, in simulated data.
 *
 * A case draws data from a population whose truth is known, lets analysis/ compute the interval,
 * and counts. Trial t of a case draws from its own stream: same counts for any threads. */
#ifndef PS_TEST_SUPPORT_SUPPORT_COVERAGE_H
#define PS_TEST_SUPPORT_SUPPORT_COVERAGE_H

#include "test/support/support_analysis.h"

/* What a case draws. Sizes that a case does not use are 0. */
typedef struct coverage_case {
	const char *name;
	/* One trial: data of this trial, and their interval. */
	ps_interval (*draw)(const struct coverage_case *c, uint64_t trial, analysis_bench *bench);
	double (*truth)(const struct coverage_case *c);
	size_t windows, latents;
	double share; /* of latents that survive, or the correlation of neighbours or variables */
	bool cheap;   /* a thousand trials take about a second */
} coverage_case;

typedef struct coverage_count {
	size_t trials, covered, below, above; /* of those with an interval: the truth lies there */
	size_t without;                       /* trials that had no interval */
	double width;                         /* mean, of the intervals */
} coverage_count;

/* The cases; a case without a name ends the list. */
extern const coverage_case coverage_cases[];

coverage_count coverage_run(const coverage_case *c, size_t trials, int threads);

/* Simulated studies in which nothing differs: three models, ten conditions each, which share the
 * model's windows and latents. Each claims what docs/DEFINITIONS.md lets it claim. */
typedef struct coverage_nulls {
	size_t studies;
	size_t tests;             /* of all studies, with an interval */
	size_t raw, adjusted;     /* tests with p, or Holm's p, below 0.05 */
	size_t claiming_raw;      /* studies with one such test or more */
	size_t claiming_adjusted; /* the same after Holm's adjustment */
} coverage_nulls;

/* Studies number `first` and following ones. */
coverage_nulls coverage_null_studies(size_t first, size_t studies, int threads);

#endif
