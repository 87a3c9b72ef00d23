/* analysis/seeds over pairs of dictionaries, and the look-ups of analysis/reference. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/reference.h"
#include "analysis/seeds.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

enum { SAES = 4, LATENTS = 80, WIDTH = 16, PAIRS = SAES * (SAES - 1) / 2 };

static const ps_bootstrap plan = {.replicates = 300, .confidence = 0.95, .seed = 2};

static void fill(ps_sae saes[SAES])
{
	static float enc[SAES][LATENTS * WIDTH], dec[SAES][LATENTS * WIDTH];

	for (int s = 0; s < SAES; s++)
		saes[s] = (ps_sae){.d_in = WIDTH, .d_sae = LATENTS, .enc = enc[s], .dec = dec[s]};
	for (int s = 0; s < SAES; s += 2)
		analysis_fill_pair(60, &saes[s], &saes[s + 1]);
	analysis_fill_matrix(dec[3], LATENTS * WIDTH, 61, 0);
}

static void pairs_are_those_of_compare_and_summarised(void **state)
{
	ps_sae saes[SAES];
	const ps_sae *list[SAES] = {&saes[0], &saes[1], &saes[2], &saes[3]};
	analysis_bench bench;
	ps_arena arena, other;
	ps_seed_agreement out;
	double sum = 0, least = 2, largest = -2;
	size_t p = 0;

	(void)state;
	fill(saes);
	analysis_open(&bench, 2);
	assert_int_equal(ps_arena_create(&arena, ps_seeds_bytes(SAES, LATENTS, WIDTH, &plan, 2),
					 &bench.diag),
			 0);
	assert_int_equal(
		ps_arena_create(&other, ps_compare_bytes(LATENTS, LATENTS, WIDTH, 2), &bench.diag),
		0);
	assert_int_equal(ps_seeds_compare(list, SAES, 9, &plan, &bench.context, &arena, &out), 0);
	assert_int_equal(out.pair_count, PAIRS);
	for (size_t a = 0; a < SAES; a++)
		for (size_t b = a + 1; b < SAES; b++, p++) {
			ps_comparison c;

			assert_true(out.pairs[p].a == a && out.pairs[p].b == b);
			assert_int_equal(ps_compare_saes(&saes[a], &saes[b],
							 &(ps_compare_options){.tau = 0.7,
									       .null_seed = 9,
									       .pw_mcc = true},
							 &bench.context, &other, &c),
					 0);
			assert_memory_equal(&c, &out.pairs[p].comparison, sizeof c);
			assert_true(c.mnn_survival == out.pairs[p].survival[PS_TAU_MAIN]);
			sum += c.hungarian_cosine;
			least = fmin(least, c.hungarian_cosine);
			largest = fmax(largest, c.hungarian_cosine);
		}
	assert_near(out.hungarian_cosine.mean.estimate, sum / PAIRS, 1e-15);
	assert_true(out.hungarian_cosine.least == least && out.hungarian_cosine.largest == largest);
	assert_true(out.hungarian_cosine.mean.why == PS_WHY_FEW &&
		    out.hungarian_cosine.mean.n == SAES && isnan(out.hungarian_cosine.mean.low));
	assert_true(out.pw_mcc.mean.estimate >= out.hungarian_cosine.mean.estimate);
	assert_true(out.survival[0].mean.estimate >= out.survival[PS_TAU_MAIN].mean.estimate &&
		    out.survival[PS_TAU_MAIN].largest == 1);
	ps_arena_destroy(&arena);
	ps_arena_destroy(&other);
	analysis_close(&bench);
}

static void one_seed_has_no_pairs(void **state)
{
	ps_sae saes[SAES];
	const ps_sae *list[1] = {&saes[0]};
	analysis_bench bench;
	ps_arena arena;
	ps_seed_agreement out;

	(void)state;
	fill(saes);
	analysis_open(&bench, 1);
	assert_int_equal(
		ps_arena_create(&arena, ps_seeds_bytes(1, LATENTS, WIDTH, &plan, 1), &bench.diag),
		0);
	assert_int_equal(ps_seeds_compare(list, 1, 9, &plan, &bench.context, &arena, &out), 0);
	assert_true(out.pair_count == 0 && isnan(out.survival[0].mean.estimate) &&
		    isnan(out.shared_fraction.mean.low));
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static void survival_is_averaged_over_seeds(void **state)
{
	const double grids[3][PS_TAUS] = {
		{.9, .8, .7, .2, 0}, {.8, .8, .4, .2, 0}, {1, .8, .4, .2, .3}};
	const double means[PS_TAUS] = {.9, .8, .5, .2, .1},
		     sds[PS_TAUS] = {.1, 0, 0.17320508075688773, 0, 0.17320508075688773};
	double mean[PS_TAUS], sd[PS_TAUS];

	(void)state;
	ps_survival_over_seeds(grids, 3, mean, sd);
	for (int t = 0; t < PS_TAUS; t++) {
		assert_near(mean[t], means[t], 1e-15);
		assert_near(sd[t], sds[t], 1e-15);
	}
	ps_survival_over_seeds(grids, 1, mean, sd);
	assert_true(mean[0] == .9 && isnan(sd[0]));
}

/* The outer thresholds disagree and must not count. */
static void agreement_looks_at_the_three_middle_thresholds(void **state)
{
	const double alike[4][PS_TAUS] = {{.1, .9, .8, .7, .9},
					  {.2, .8, .7, .6, .8},
					  {.3, .7, .6, .5, .99},
					  {.4, .6, .5, .4, 1}};
	const double mixed[3][PS_TAUS] = {
		{0, .1, .2, .3, 0}, {0, .2, .3, .1, 0}, {0, .3, .1, .2, 0}};
	ps_arena arena;

	(void)state;
	assert_int_equal(ps_arena_create(&arena, ps_survival_agreement_bytes(4), NULL), 0);
	assert_near(ps_survival_agreement(alike, 4, &arena), 1, 1e-15);
	assert_near(ps_survival_agreement(mixed, 3, &arena), 0, 1e-15);
	ps_arena_destroy(&arena);
}

static void reference_values_are_found_by_shape(void **state)
{
	static ps_model_config config = {.family = PS_FAMILY_GEMMA2, .layers = 26, .width = 2304};
	const ps_reference_model *gemma = ps_reference_model_of(&config);
	const ps_reference_condition *found;

	(void)state;
	assert_non_null(gemma);
	assert_string_equal(gemma->name, "Gemma 2 2B");
	config.layers = 18;
	assert_null(ps_reference_model_of(&config));
	found = ps_reference_find(gemma, "wanda", 0.1 + 0.2);
	assert_non_null(found);
	assert_true(found->survival == 0.794 && found->jaccard == 0.591 && found->ppl == 8.82);
	assert_null(ps_reference_find(gemma, "wanda", 0.4));
	assert_null(ps_reference_find(gemma, "sparsegpt", 0.3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_are_those_of_compare_and_summarised),
		cmocka_unit_test(one_seed_has_no_pairs),
		cmocka_unit_test(survival_is_averaged_over_seeds),
		cmocka_unit_test(agreement_looks_at_the_three_middle_thresholds),
		cmocka_unit_test(reference_values_are_found_by_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
