/* analysis/ablation: the choice of features, the ablation itself, and the summary against numpy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/ablation.h"
#include "analysis/fragility.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

#define LIMIT 2e-15

enum { LATENTS = 403, FEATURES = 60, CLUSTERS = 18 };

static void choose(const uint64_t *firing, size_t count, uint64_t seed, uint32_t *features,
		   size_t *chosen)
{
	ps_arena arena;

	assert_int_equal(ps_arena_create(&arena, ps_ablation_choose_bytes(LATENTS), NULL), 0);
	*chosen = ps_ablation_choose(
		&(ps_ablation_choice){
			.firing = firing, .latents = LATENTS, .count = count, .seed = seed},
		&arena, features);
	ps_arena_destroy(&arena);
}

static void the_choice_is_even_over_quintiles_and_seeded(void **state)
{
	uint64_t firing[LATENTS];
	uint32_t order[LATENTS], features[LATENTS], again[LATENTS], place[LATENTS] = {0};
	size_t first[PS_QUINTILES + 1], chosen, chosen_again, taken[PS_QUINTILES] = {0}, q = 0,
							      alive;
	double rates[LATENTS];

	(void)state;
	for (size_t j = 0; j < LATENTS; j++)
		firing[j] = j % 4 ? j * 7919 % 1000 + 1 : 0;
	alive = ps_fragility_order(firing, LATENTS, rates, order, first);
	for (size_t i = 0; i < alive; i++) {
		while (i >= first[q + 1])
			q++;
		place[order[i]] = (uint32_t)q;
	}
	choose(firing, 102, 5, features, &chosen);
	assert_int_equal(chosen, 102);
	for (size_t i = 0; i < chosen; i++) {
		assert_true(firing[features[i]] > 0);
		assert_true(i == 0 || features[i] > features[i - 1]);
		taken[place[features[i]]]++;
	}
	for (size_t i = 0; i < PS_QUINTILES; i++)
		assert_int_equal(taken[i], 20 + (i < 2));
	choose(firing, 102, 5, again, &chosen_again);
	assert_memory_equal(features, again, chosen * sizeof *features);
	choose(firing, 102, 6, again, &chosen_again);
	assert_memory_not_equal(features, again, chosen * sizeof *features);
	choose(firing, 100000, 5, features, &chosen);
	assert_int_equal(chosen, alive);
}

/* Rows 0 and 2 fire latent 1 with 2 and -0.5 more; row 1 does not; row 3 is empty. */
static void ablation_takes_the_feature_and_leaves_the_rest(void **state)
{
	float dec[] = {1, 0, 0, 3, 0, 4, 0, 0, 1}, rows[] = {1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4};
	const float plain[] = {-5, 1, -7, 2, 2, 2, 1.5f, 3, 1, 4, 4, 4},
		    scaled[] = {-0.2f, 1, -0.6f, 2, 2, 2, 2.7f, 3, 2.6f, 4, 4, 4};
	size_t start[] = {0, 2, 4, 5, 5};
	uint32_t index[] = {0, 1, 0, 2, 1};
	float value[] = {9, 2, 8, 7, 0.5f}, copy[12];
	ps_sae sae = {.d_in = 3, .d_sae = 3, .dec = dec};
	const ps_codes codes = {
		.rows = 4, .capacity = 5, .start = start, .index = index, .value = value};

	(void)state;
	memcpy(copy, rows, sizeof rows);
	assert_int_equal(ps_ablation_apply(&sae, &codes, 1, rows), 2);
	for (int i = 0; i < 12; i++)
		assert_near(rows[i], plain[i], 0);
	sae.rescale_by_decoder_norm = true;
	assert_int_equal(ps_ablation_apply(&sae, &codes, 1, copy), 2);
	for (int i = 0; i < 12; i++)
		assert_near(copy[i], scaled[i], 3e-7);
}

static struct {
	uint8_t survived[FEATURES];
	uint8_t stratum[FEATURES];
	double cosine[FEATURES], rate[FEATURES], effect[FEATURES], sums[FEATURES * CLUSTERS],
		firings[FEATURES * CLUSTERS], tokens[CLUSTERS];
} measured;

/* As generate.py's ablation() makes it. */
static ps_ablation_data fill(void)
{
	double all = 0;

	analysis_fill_vector(measured.rate, FEATURES, 950, 0, NULL);
	analysis_fill_vector(measured.cosine, FEATURES, 951, 0, NULL);
	analysis_fill_vector(measured.tokens, CLUSTERS, 952, 0, NULL);
	analysis_fill_vector(measured.sums, FEATURES * CLUSTERS, 953, 0, NULL);
	analysis_fill_vector(measured.firings, FEATURES * CLUSTERS, 954, 6, NULL);
	for (size_t i = 0; i < FEATURES * CLUSTERS; i++)
		measured.firings[i] = fmax(measured.firings[i] - (double)(i / CLUSTERS % 3), 0);
	for (size_t c = 0; c < CLUSTERS; c++)
		all += measured.tokens[c] += 8;
	for (size_t i = 0; i < FEATURES; i++) {
		measured.rate[i] += 0.5;
		measured.cosine[i] += 0.5;
		measured.survived[i] = measured.cosine[i] > 0.6;
		measured.stratum[i] = (uint8_t)(i * 7 % PS_QUINTILES);
		measured.effect[i] = 0;
		for (size_t c = 0; c < CLUSTERS; c++)
			measured.effect[i] += (measured.sums[i * CLUSTERS + c] +=
					       measured.rate[i] * 0.4 + measured.cosine[i] * 0.2);
		measured.effect[i] /= all;
	}
	return (ps_ablation_data){.features = FEATURES,
				  .clusters = CLUSTERS,
				  .survived = measured.survived,
				  .cosine = measured.cosine,
				  .rate = measured.rate,
				  .stratum = measured.stratum,
				  .effect = measured.effect,
				  .cluster_firings = measured.firings,
				  .cluster_sum = measured.sums,
				  .cluster_tokens = measured.tokens};
}

static void summarise(const ps_ablation_data *data, int threads, ps_ablation *out)
{
	const ps_bootstrap plan = {.replicates = 200, .confidence = 0.95, .seed = 41};
	analysis_bench bench;
	ps_arena arena;

	analysis_open(&bench, threads);
	assert_int_equal(ps_arena_create(&arena,
					 ps_ablation_bytes(FEATURES, CLUSTERS, &plan, threads),
					 &bench.diag),
			 0);
	assert_int_equal(ps_ablation_summarise(data, &plan, &bench.context, &arena, out), 0);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static void the_summary_equals_numpys(void **state)
{
	const ps_ablation_data data = fill();
	double golden[58];
	closeness c = {0};
	ps_ablation out;

	(void)state;
	analysis_golden("ablation", golden, 58);
	summarise(&data, 2, &out);
	assert_int_equal(out.survivors, golden[0]);
	closeness_add_named(&c, "mean effect of survivors", out.mean_survivors, golden[1], 1);
	closeness_add_named(&c, "mean effect of lost", out.mean_lost, golden[2], 1);
	analysis_add_interval(&c, "rho with survival", &out.rho_survival, golden + 3);
	analysis_add_interval(&c, "rho with cosine", &out.rho_cosine, golden + 6);
	analysis_add_interval(&c, "partial rho with survival", &out.partial_survival, golden + 9);
	analysis_add_interval(&c, "partial rho with cosine", &out.partial_cosine, golden + 12);
	analysis_add_interval(&c, "difference", &out.difference.both, golden + 15);
	analysis_add_interval(&c, "difference over clusters", &out.difference.rows, golden + 18);
	analysis_add_interval(&c, "difference over features", &out.difference.columns, golden + 21);
	analysis_add_interval(&c, "difference within strata", &out.stratified.both, golden + 24);
	closeness_add_named(&c, "per firing, survivors", out.firing_survivors, golden[27], 1);
	closeness_add_named(&c, "per firing, lost", out.firing_lost, golden[28], 1);
	analysis_add_interval(&c, "difference per firing", &out.firing.both, golden + 29);
	analysis_add_interval(&c, "per firing, survival", &out.firing_rho_survival, golden + 32);
	analysis_add_interval(&c, "per firing, cosine", &out.firing_rho_cosine, golden + 35);
	for (size_t q = 0; q < PS_QUINTILES; q++) {
		const double *own = golden + 38 + 4 * q;

		assert_int_equal(out.strata[q].features, own[0]);
		assert_int_equal(out.strata[q].survivors, own[1]);
		closeness_add_named(&c, "stratum", out.strata[q].mean_survivors, own[2], 1);
		closeness_add_named(&c, "stratum", out.strata[q].mean_lost, own[3], 1);
	}
	assert_closeness(&c, "measures", LIMIT);
}

static void without_survivors_the_difference_is_undefined(void **state)
{
	ps_ablation_data data = fill();
	ps_ablation out;

	(void)state;
	memset(measured.survived, 0, sizeof measured.survived);
	data.cluster_sum = data.cluster_firings = NULL;
	data.clusters = 0;
	summarise(&data, 1, &out);
	assert_true(out.survivors == 0 && isnan(out.mean_survivors) && !isnan(out.mean_lost));
	assert_true(isnan(out.difference.columns.estimate) && isnan(out.difference.rows.estimate) &&
		    isnan(out.rho_survival.estimate));
	assert_false(isnan(out.rho_cosine.estimate));
}

/* A latent that fires in no window has an effect of 0 per token, and none per firing. */
static void per_firing_leaves_out_what_does_not_fire(void **state)
{
	const ps_ablation_data data = fill();
	ps_ablation all, left;
	double sum = 0, count = 0;

	(void)state;
	summarise(&data, 1, &all);
	assert_int_equal(all.firing_features, FEATURES);
	for (size_t i = 0; i < 5; i++) {
		for (size_t c = 0; c < CLUSTERS; c++)
			measured.sums[i * CLUSTERS + c] = measured.firings[i * CLUSTERS + c] = 0;
		measured.effect[i] = 0;
	}
	summarise(&data, 1, &left);
	assert_int_equal(left.features, FEATURES);
	assert_int_equal(left.firing_features, FEATURES - 5);
	for (size_t i = 5; i < FEATURES; i++) {
		double change = 0, firings = 0;

		for (size_t c = 0; c < CLUSTERS; c++) {
			change += measured.sums[i * CLUSTERS + c];
			firings += measured.firings[i * CLUSTERS + c];
		}
		if (!measured.survived[i])
			continue;
		sum += change / firings;
		count++;
	}
	assert_near(left.firing_survivors, sum / count, 1e-12);
	assert_true(isfinite(left.firing_lost) && isfinite(left.firing.both.low));
	assert_true(isfinite(left.firing_rho_cosine.low) && isfinite(left.rho_cosine.low));
	assert_int_equal(left.firing_rho_cosine.n, FEATURES - 5);
	assert_int_equal(left.rho_cosine.n, FEATURES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_choice_is_even_over_quintiles_and_seeded),
		cmocka_unit_test(ablation_takes_the_feature_and_leaves_the_rest),
		cmocka_unit_test(the_summary_equals_numpys),
		cmocka_unit_test(without_survivors_the_difference_is_undefined),
		cmocka_unit_test(per_firing_leaves_out_what_does_not_fire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
