#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sae/evaluate.h"
#include "test/support/support_close.h"
#include "test/support/support_sae.h"

enum { D = 21, F = 90, K = 4, ROWS = 2500 };

static void make_sae(ps_sae *sae, ps_sae_arch arch, workspace *w)
{
	assert_int_equal(ps_sae_create(sae, arch, D, F, K, &w->arena, &w->diag), 0);
	fill_normal(sae->enc, F * D, 0.3, 1);
	fill_normal(sae->dec, F * D, 0.3, 2);
	fill_normal(sae->b_dec, D, 1, 3);
	for (size_t j = 0; j < F; j++)
		sae->b_enc[j] = j % 9 == 4 ? -50 : 0; /* ten latents that never fire */
	for (size_t j = 0; sae->threshold && j < F; j++)
		sae->threshold[j] = 1;
}

/* Computes one row's code f (F) by the definition; returns the number of latents that are not 0. */
static size_t code_plainly(const ps_sae *sae, const float *x, double *f)
{
	double z[F];
	size_t active = 0;

	for (size_t j = 0; j < F; j++) {
		z[j] = sae->b_enc[j];
		for (size_t d = 0; d < D; d++)
			z[j] += (double)sae->enc[j * D + d] * ((double)x[d] - sae->b_dec[d]);
	}
	for (size_t j = 0; j < F; j++) {
		size_t larger = 0;

		for (size_t i = 0; i < F; i++)
			larger += z[i] > z[j];
		f[j] = z[j] > 0 && (sae->arch != PS_SAE_TOPK || larger < K) &&
				       (!sae->threshold || z[j] > sae->threshold[j])
			       ? z[j]
			       : 0;
		active += f[j] != 0;
	}
	return active;
}

static void count_densities(const uint64_t *firing, ps_evaluation *out)
{
	for (size_t j = 0; j < F; j++) {
		int bin = 0;

		while (firing[j] && bin < PS_DENSITY_BINS - 1 &&
		       (double)firing[j] / ROWS >= pow(10, ps_density_edge(bin + 1)))
			bin++;
		out->density[bin] += firing[j] > 0;
	}
}

/* Measures the rows by the definitions, one after the other, in double. */
static void evaluate_plainly(const ps_sae *sae, const float *rows, ps_evaluation *out,
			     uint64_t *firing)
{
	double mean[D] = {0}, error_mean[D] = {0}, error = 0, variance = 0, cosine = 0, active = 0,
	       dead = 0, legacy = 0, ratio = 0;
	double x_hat_square = 0, product = 0, centred;

	memset(firing, 0, F * sizeof *firing);
	for (size_t r = 0; r < ROWS; r++)
		for (size_t d = 0; d < D; d++)
			mean[d] += rows[r * D + d] / (double)ROWS;
	for (size_t r = 0; r < ROWS; r++) {
		const float *x = rows + r * D;
		double f[F], xx = 0, yy = 0, xy = 0, ee = 0, apart = 0;

		active += (double)code_plainly(sae, x, f);
		for (size_t d = 0; d < D; d++) {
			double y = sae->b_dec[d];

			for (size_t j = 0; j < F; j++)
				y += f[j] * sae->dec[j * D + d];
			ee += (x[d] - y) * (x[d] - y);
			apart += (x[d] - mean[d]) * (x[d] - mean[d]);
			error_mean[d] += (x[d] - y) / ROWS;
			xx += (double)x[d] * x[d], yy += y * y, xy += x[d] * y;
		}
		error += ee;
		variance += apart;
		legacy += 1 - ee / apart;
		ratio += sqrt(yy / xx);
		x_hat_square += yy;
		product += xy;
		cosine += xy / sqrt(xx * yy);
		for (size_t j = 0; j < F; j++)
			firing[j] += f[j] != 0;
	}
	for (size_t j = 0; j < F; j++)
		dead += firing[j] == 0;
	centred = error;
	for (size_t d = 0; d < D; d++)
		centred -= ROWS * error_mean[d] * error_mean[d];
	*out = (ps_evaluation){
		.fvu = error / variance,
		.l0 = active / ROWS,
		.dead_fraction = dead / F,
		.cosine = cosine / ROWS,
		.explained_variance = 1 - error / variance,
		.explained_variance_legacy = legacy / ROWS,
		.explained_variance_centred = 1 - centred / variance,
		.norm_ratio = ratio / ROWS,
		.relative_bias = x_hat_square / product,
	};
	count_densities(firing, out);
}

static float *make_rows(double offset)
{
	float *rows = malloc(ROWS * D * sizeof *rows);

	fill_normal(rows, ROWS * D, 1, 4);
	for (size_t i = 0; i < ROWS * D; i++)
		rows[i] += (float)offset;
	return rows;
}

static void evaluate(ps_sae_arch arch, const float *data, int threads, ps_evaluation *out,
		     uint64_t *firing, ps_evaluation *plain, uint64_t *plain_firing)
{
	memory_rows rows;
	workspace w;
	ps_sae sae;

	workspace_open(&w, threads, 32 << 20);
	make_sae(&sae, arch, &w);
	memory_rows_open(&rows, data, ROWS, D);
	assert_int_equal(
		ps_evaluate_rows(&sae, &rows.source, &rows.list, &w.context, &w.arena, out, firing),
		0);
	if (plain)
		evaluate_plainly(&sae, data, plain, plain_firing);
	workspace_close(&w);
}

/* All measures but counts, relatively. */
static closeness closeness_of_measures(const ps_evaluation *got, const ps_evaluation *plain)
{
	const struct {
		const char *name;
		double got, plain;
	} pairs[] = {
		{"fvu", got->fvu, plain->fvu},
		{"l0", got->l0, plain->l0},
		{"cosine", got->cosine, plain->cosine},
		{"explained_variance", got->explained_variance, plain->explained_variance},
		{"explained_variance_legacy", got->explained_variance_legacy,
		 plain->explained_variance_legacy},
		{"explained_variance_centred", got->explained_variance_centred,
		 plain->explained_variance_centred},
		{"norm_ratio", got->norm_ratio, plain->norm_ratio},
		{"relative_bias", got->relative_bias, plain->relative_bias},
	};
	closeness c = {0};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		closeness_add_named(&c, pairs[i].name, pairs[i].got, pairs[i].plain,
				    fabs(pairs[i].plain));
	return c;
}

static void numbers_agree_with_their_definitions(void **state)
{
	static const ps_sae_arch arch[] = {PS_SAE_TOPK, PS_SAE_JUMPRELU, PS_SAE_RELU};
	float *rows = make_rows(0);

	(void)state;
	for (int i = 0; i < 3; i++) {
		uint64_t firing[F], plain_firing[F];
		ps_evaluation got, plain;
		closeness c;

		evaluate(arch[i], rows, 2, &got, firing, &plain, plain_firing);
		c = closeness_of_measures(&got, &plain);
		print_message("fvu %.4f, l0 %.3f, cosine %.4f, dead %.3f\n", got.fvu, got.l0,
			      got.cosine, got.dead_fraction);
		assert_closeness(&c, "measures, relatively", 5e-6);
		assert_int_equal(got.rows, ROWS);
		assert_true(got.dead_fraction == plain.dead_fraction &&
			    got.dead_fraction >= 10.0 / F);
		assert_memory_equal(got.density, plain.density, sizeof got.density);
		for (size_t j = 0; j < F; j++)
			assert_true(firing[j] + 1 >= plain_firing[j] &&
				    firing[j] <= plain_firing[j] + 1);
	}
	free(rows);
}

static void a_large_common_mean_costs_no_precision(void **state)
{
	float *rows = make_rows(30000);
	ps_evaluation got, plain;
	uint64_t firing[F], plain_firing[F];
	closeness c = {0};

	(void)state;
	evaluate(PS_SAE_TOPK, rows, 1, &got, firing, &plain, plain_firing);
	closeness_add(&c, got.fvu, plain.fvu, plain.fvu);
	assert_closeness(&c, "fvu, relatively", 2e-8);
	free(rows);
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
	float *rows = make_rows(0);
	ps_evaluation one, more;

	(void)state;
	evaluate(PS_SAE_TOPK, rows, 1, &one, NULL, NULL, NULL);
	for (int threads = 2; threads <= 3; threads++) {
		evaluate(PS_SAE_TOPK, rows, threads, &more, NULL, NULL, NULL);
		assert_memory_equal(&one, &more, sizeof one);
	}
	free(rows);
}

static void unfit_rows_are_refused(void **state)
{
	float *data = make_rows(0);
	ps_evaluation out;
	memory_rows rows;
	workspace w;
	ps_sae sae;

	(void)state;
	workspace_open(&w, 1, 32 << 20);
	make_sae(&sae, PS_SAE_TOPK, &w);
	memory_rows_open(&rows, data, ROWS, D);
	rows.source.width = D + 1;
	assert_int_equal(
		ps_evaluate_rows(&sae, &rows.source, &rows.list, &w.context, &w.arena, &out, NULL),
		PS_EINPUT);
	rows.source.width = D;
	rows.list.count = 0;
	assert_int_equal(
		ps_evaluate_rows(&sae, &rows.source, &rows.list, &w.context, &w.arena, &out, NULL),
		PS_EINPUT);
	rows.list.count = ROWS;
	data[2000 * D + 3] = NAN;
	w.diag.text[0] = 0;
	assert_int_equal(
		ps_evaluate_rows(&sae, &rows.source, &rows.list, &w.context, &w.arena, &out, NULL),
		PS_EINPUT);
	assert_non_null(strstr(w.diag.text, "not finite"));
	workspace_close(&w);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_agree_with_their_definitions),
		cmocka_unit_test(a_large_common_mean_costs_no_precision),
		cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
		cmocka_unit_test(unfit_rows_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
