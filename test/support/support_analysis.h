/* test/support/support_analysis.h: the goldens of analysis/ and the inputs they were computed from. */
#ifndef PS_TEST_SUPPORT_SUPPORT_ANALYSIS_H
#define PS_TEST_SUPPORT_SUPPORT_ANALYSIS_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/statistics.h"
#include "core/base/progress.h"
#include "test/support/support_close.h"

/* values[count] of the line called name in test/fixtures/analysis/goldens.txt; fails the test unless it has count. */
void analysis_golden(const char *name, double *values, size_t count);

/* count numbers of stream 0 of the seed: uniform in [-0.5, 0.5), or whole numbers in [0, levels) when levels > 0. */
void analysis_fill_matrix(float *out, size_t count, uint64_t seed, unsigned levels);

/* A pair of dictionaries as generate.py's dictionaries() makes it: decoders and encoders (F, D). */
void analysis_fill_pair(uint64_t seed, size_t f_a, size_t f_b, size_t width, float *dec_a,
			float *dec_b, float *enc_a, float *enc_b);

/* A context of that many threads, silent, with its own diagnostic; closed by analysis_close. */
typedef struct analysis_bench {
	ps_diag diag;
	ps_pool *pool;
	ps_context context;
} analysis_bench;
void analysis_open(analysis_bench *bench, int threads);
void analysis_close(analysis_bench *bench);

/* The same as doubles; values[i] += added[i] where added is not NULL. */
void analysis_fill_vector(double *out, size_t count, uint64_t seed, unsigned levels,
			  const double *added);

/* Adds estimate, low and high against three goldens. A golden of NaN demands NaN. */
void analysis_add_interval(closeness *c, const char *name, const ps_interval *value,
			   const double golden[3]);

#endif
