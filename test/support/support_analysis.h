/* test/support/support_analysis.h: the goldens of analysis/ and the inputs they were computed
 * from. */
#ifndef PS_TEST_SUPPORT_SUPPORT_ANALYSIS_H
#define PS_TEST_SUPPORT_SUPPORT_ANALYSIS_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/statistics.h"
#include "core/base/progress.h"
#include "sae/sae.h"
#include "test/support/support_close.h"

/* Reads the numbers of the line `name` of test/fixtures/analysis/goldens.txt. Fails the test unless
 * there are `count`. */
void analysis_golden(const char *name, double *values, size_t count);

/* Fills out with numbers of stream 0 of the seed: uniform from -0.5 to 0.5, or with levels > 0
 * whole numbers from 0 to levels - 1. */
void analysis_fill_matrix(float *out, size_t count, uint64_t seed, unsigned levels);

/* Fills the decoders and encoders (F, D) of two SAEs as dictionaries() of the goldens' generate.py
 * does. a and b say their shapes and where the weights go. */
void analysis_fill_pair(uint64_t seed, const ps_sae *a, const ps_sae *b);

/* A silent context of `threads` threads with a diagnostic of its own. analysis_close ends it. */
typedef struct analysis_bench {
	ps_diag diag;
	ps_pool *pool;
	ps_context context;
} analysis_bench;
void analysis_open(analysis_bench *bench, int threads);
void analysis_close(analysis_bench *bench);

/* As analysis_fill_matrix, as doubles; added[i] is added to each where added is not NULL. */
void analysis_fill_vector(double *out, size_t count, uint64_t seed, unsigned levels,
			  const double *added);

/* Adds estimate, low and high against three goldens. A golden of NaN demands NaN. */
void analysis_add_interval(closeness *c, const char *name, const ps_interval *value,
			   const double golden[3]);

#endif
