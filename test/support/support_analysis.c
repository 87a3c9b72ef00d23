#include "test/support/support_analysis.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"

#define GOLDENS "test/fixtures/analysis/goldens.txt"

void analysis_golden(const char *name, double *values, size_t count)
{
	FILE *file = fopen(GOLDENS, "r");
	char found[64];
	size_t length;

	if (!file)
		fail_msg("cannot open %s", GOLDENS);
	while (fscanf(file, "%63s %zu", found, &length) == 2) {
		if (!strcmp(found, name)) {
			assert_int_equal(length, count);
			for (size_t i = 0; i < count; i++)
				assert_int_equal(fscanf(file, "%lf", values + i), 1);
			fclose(file);
			return;
		}
		while (length--)
			assert_int_equal(fscanf(file, "%*s"), 0);
	}
	fclose(file);
	fail_msg("no golden called %s", name);
}

void analysis_fill_matrix(float *out, size_t count, uint64_t seed, unsigned levels)
{
	ps_rng rng = ps_rng_make(seed, 0);

	for (size_t i = 0; i < count; i++) {
		double u = ps_rng_uniform(&rng);

		out[i] = (float)(levels ? floor(u * levels) : u - 0.5);
	}
}

void analysis_fill_vector(double *out, size_t count, uint64_t seed, unsigned levels,
			  const double *added)
{
	ps_rng rng = ps_rng_make(seed, 0);

	for (size_t i = 0; i < count; i++) {
		double u = ps_rng_uniform(&rng);

		out[i] = (double)(float)(levels ? floor(u * levels) : u - 0.5);
		if (added)
			out[i] += added[i];
	}
}

static void add_noise(const float *rows, const float *noise, size_t f_a, size_t f_b, size_t width,
		      float *out)
{
	for (size_t j = 0; j < f_b; j++)
		for (size_t d = 0; d < width; d++)
			out[j * width + d] = rows[7 * j % f_a * width + d] +
					     (float)j / (float)f_b * 3 * noise[j * width + d];
}

void analysis_fill_pair(uint64_t seed, const ps_sae *a, const ps_sae *b)
{
	const size_t f_a = a->d_sae, f_b = b->d_sae, width = a->d_in;
	size_t most = (f_a > f_b ? f_a : f_b) * width;
	float *noise = malloc(most * sizeof *noise);

	assert_non_null(noise);
	analysis_fill_matrix(a->dec, f_a * width, seed, 0);
	analysis_fill_matrix(noise, f_b * width, seed + 1, 0);
	add_noise(a->dec, noise, f_a, f_b, width, b->dec);
	analysis_fill_matrix(noise, f_a * width, seed + 2, 0);
	for (size_t i = 0; i < f_a * width; i++)
		a->enc[i] = a->dec[i] + 0.5f * noise[i];
	analysis_fill_matrix(noise, f_b * width, seed + 3, 0);
	add_noise(a->enc, noise, f_a, f_b, width, b->enc);
	free(noise);
}

void analysis_open(analysis_bench *bench, int threads)
{
	*bench = (analysis_bench){0};
	assert_int_equal(ps_pool_create(&bench->pool, threads, &bench->diag), 0);
	bench->context = (ps_context){.pool = bench->pool, .diag = &bench->diag};
}

void analysis_close(analysis_bench *bench)
{
	ps_pool_destroy(bench->pool);
}

void analysis_add_interval(closeness *c, const char *name, const ps_interval *value,
			   const double golden[3])
{
	const double got[3] = {value->estimate, value->low, value->high};

	for (int i = 0; i < 3; i++)
		if (!isnan(golden[i]) || !isnan(got[i]))
			closeness_add_named(c, name, got[i], golden[i], 1);
}
