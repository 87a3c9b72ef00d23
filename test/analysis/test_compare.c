/* analysis/compare against numpy and scipy, and its rules on ties, threads and bad input. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/compare.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

static const double taus[5] = {0.5, 0.6, 0.7, 0.8, 0.9};

struct pair {
	ps_sae a, b;
};

static float *floats(size_t count)
{
	float *values = calloc(count, sizeof *values);

	assert_non_null(values);
	return values;
}

static void make_pair(struct pair *pair, uint64_t seed, size_t f_a, size_t f_b, size_t width)
{
	*pair = (struct pair){.a = {.d_in = width,
				    .d_sae = f_a,
				    .dec = floats(f_a * width),
				    .enc = floats(f_a * width)},
			      .b = {.d_in = width,
				    .d_sae = f_b,
				    .dec = floats(f_b * width),
				    .enc = floats(f_b * width)}};
	analysis_fill_pair(seed, &pair->a, &pair->b);
}

static void free_pair(struct pair *pair)
{
	free(pair->a.dec);
	free(pair->a.enc);
	free(pair->b.dec);
	free(pair->b.enc);
}

static ps_comparison compare_with(const struct pair *pair, int threads, const uint8_t *alive,
				  double survival[5])
{
	size_t f_a = pair->a.d_sae, f_b = pair->b.d_sae, width = pair->a.d_in;
	analysis_bench bench;
	ps_arena arena;
	ps_comparison out;
	ps_match match;

	analysis_open(&bench, threads);
	assert_int_equal(
		ps_arena_create(&arena, ps_compare_bytes(f_a, f_b, width, threads), &bench.diag),
		0);
	assert_int_equal(
		ps_compare_saes(&pair->a, &pair->b,
				&(ps_compare_options){
					.tau = 0.7, .alive = alive, .null_seed = 5, .pw_mcc = true},
				&bench.context, &arena, &out),
		0);
	ps_arena_destroy(&arena);
	assert_int_equal(
		ps_arena_create(&arena, ps_match_bytes(f_a, f_b, width, threads), &bench.diag), 0);
	assert_int_equal(ps_match_decoders(&pair->a, &pair->b, &bench.context, &arena, &match), 0);
	for (int t = 0; t < 5; t++)
		survival[t] = ps_match_survival(&match, taus[t], NULL);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
	return out;
}

static void measures_equal_numpys(void **state)
{
	closeness shares = {0}, cosines = {0};

	(void)state;
	for (int seed = 100; seed <= 400; seed += 100) {
		double golden[14], survival[5];
		char name[32];
		struct pair pair;
		uint8_t *alive;
		ps_comparison out;

		snprintf(name, sizeof name, "compare.%d", seed);
		analysis_golden(name, golden, 14);
		make_pair(&pair, (uint64_t)seed, (size_t)golden[0], (size_t)golden[1],
			  (size_t)golden[2]);
		alive = calloc(pair.a.d_sae, 1);
		assert_non_null(alive);
		for (size_t i = 0; i < pair.a.d_sae; i++)
			alive[i] = i % 3 != 0;
		out = compare_with(&pair, 2, alive, survival);
		for (int t = 0; t < 5; t++)
			closeness_add_named(&shares, "survival", survival[t], golden[3 + t], 1);
		closeness_add_named(&shares, "mnn_survival", out.mnn_survival, golden[5], 1);
		closeness_add_named(&shares, "mnn_survival_alive", out.mnn_survival_alive,
				    golden[8], 1);
		closeness_add_named(&shares, "shared_fraction", out.shared_fraction, golden[12], 1);
		closeness_add_named(&cosines, "mmcs", out.mmcs, golden[9], 1);
		closeness_add_named(&cosines, "mmcs_null", out.mmcs_null, golden[10], 1);
		closeness_add_named(&cosines, "hungarian_cosine", out.hungarian_cosine, golden[11],
				    1);
		closeness_add_named(&cosines, "pw_mcc", out.pw_mcc, golden[13], 1);
		free(alive);
		free_pair(&pair);
	}
	assert_closeness(&shares, "shares", 1e-15);
	assert_closeness(&cosines, "cosines", 4e-8);
}

/* Survival of no latents is undefined, and so is that of the live ones where nobody counted. */
static void survival_of_none_is_not_a_number(void **state)
{
	uint8_t none[4] = {0}, mutual[4] = {1, 1, 1, 1};
	float cosine[4] = {1, 1, 1, 1};
	const ps_match match = {.cosine = cosine, .mutual = mutual, .count = 4};
	double survival[5];
	struct pair pair;

	(void)state;
	assert_true(isnan(ps_match_survival(&match, 0.7, none)));
	assert_true(ps_match_survival(&match, 0.7, NULL) == 1);
	make_pair(&pair, 100, 20, 20, 8);
	assert_true(isnan(compare_with(&pair, 1, NULL, survival).mnn_survival_alive));
	free_pair(&pair);
}

static void threads_do_not_change_a_bit(void **state)
{
	struct pair pair;
	double one_survival[5], three_survival[5];
	ps_comparison one, three;

	(void)state;
	make_pair(&pair, 77, 1100, 1300, 33);
	one = compare_with(&pair, 1, NULL, one_survival);
	three = compare_with(&pair, 3, NULL, three_survival);
	assert_memory_equal(&one, &three, sizeof one);
	assert_memory_equal(one_survival, three_survival, sizeof one_survival);
	free_pair(&pair);
}

static void a_dictionary_survives_in_itself_however_scaled(void **state)
{
	struct pair pair;
	double survival[5];
	ps_comparison out;

	(void)state;
	make_pair(&pair, 9, 200, 200, 32);
	for (size_t i = 0; i < 200 * 32; i++) {
		pair.b.dec[i] = pair.a.dec[i] * (i / 32 % 2 ? 1e-20f : 3e15f);
		pair.b.enc[i] = pair.a.enc[i];
	}
	out = compare_with(&pair, 2, NULL, survival);
	assert_true(out.mnn_survival == 1 && out.shared_fraction == 1);
	assert_near(out.pw_mcc, 1, 6e-8);
	assert_near(out.hungarian_cosine, 1, 6e-8);
	assert_near(out.mmcs, 1, 6e-8);
	assert_true(out.mmcs_null < 0.7);
	free_pair(&pair);
}

/* Equal rows: the lower index wins in both directions, so one latent of a group of copies
 * survives. */
static void ties_go_to_the_lower_index(void **state)
{
	struct pair pair;
	analysis_bench bench;
	ps_arena arena;
	ps_match match;

	(void)state;
	make_pair(&pair, 10, 6, 6, 8);
	for (size_t i = 0; i < 6; i++) {
		memcpy(pair.b.dec + i * 8, pair.a.dec + i / 3 * 8, 8 * sizeof(float));
		memcpy(pair.a.dec + (5 - i) * 8, pair.a.dec + (5 - i) / 3 * 8, 8 * sizeof(float));
	}
	analysis_open(&bench, 2);
	assert_int_equal(ps_arena_create(&arena, ps_match_bytes(6, 6, 8, 2), &bench.diag), 0);
	assert_int_equal(ps_match_decoders(&pair.a, &pair.b, &bench.context, &arena, &match), 0);
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(match.nearest[i], i / 3 * 3);
		assert_int_equal(match.mutual[i], i % 3 == 0);
	}
	ps_arena_destroy(&arena);
	analysis_close(&bench);
	free_pair(&pair);
}

static void a_row_of_zeros_is_near_nothing(void **state)
{
	struct pair pair;
	double survival[5];
	ps_comparison out;

	(void)state;
	make_pair(&pair, 11, 20, 20, 8);
	memcpy(pair.b.dec, pair.a.dec, 20 * 8 * sizeof(float));
	memset(pair.a.dec + 4 * 8, 0, 8 * sizeof(float));
	out = compare_with(&pair, 1, NULL, survival);
	assert_near(out.mnn_survival, 19.0 / 20, 1e-15);
	free_pair(&pair);
}

/* B is A with rows turned round, some negated, and one missing: the matching says which is which,
 * and PW-MCC counts a negated row as found. A row that has no partner says so. */
static void the_matching_is_the_planted_one(void **state)
{
	enum { ROWS = 9, WIDTH = 16 };
	struct pair pair;
	analysis_bench bench;
	ps_arena arena;
	ps_matching m;
	ps_comparison out;

	(void)state;
	make_pair(&pair, 21, ROWS, ROWS - 1, WIDTH);
	for (size_t j = 0; j < ROWS - 1; j++)
		for (size_t d = 0; d < WIDTH; d++) {
			const size_t i = (j + 3) % ROWS;

			pair.b.dec[j * WIDTH + d] =
				pair.a.dec[i * WIDTH + d] * (j == 1 || j == 6 ? -2.0f : 3.0f);
			pair.b.enc[j * WIDTH + d] = pair.a.enc[i * WIDTH + d];
		}
	analysis_open(&bench, 2);
	assert_int_equal(ps_arena_create(&arena,
					 ps_matching_lay_out(&m, ROWS, NULL) +
						 ps_compare_bytes(ROWS, ROWS - 1, WIDTH, 2),
					 &bench.diag),
			 0);
	ps_matching_lay_out(&m, ROWS, &arena);
	assert_int_equal(
		ps_compare_saes(&pair.a, &pair.b,
				&(ps_compare_options){.tau = 0.7, .pw_mcc = true, .matching = &m},
				&bench.context, &arena, &out),
		0);
	for (uint32_t i = 0; i < ROWS; i++) {
		const uint32_t j = (i + ROWS - 3) % ROWS;

		if (j == 1 || j == 6 || j == ROWS - 1)
			continue;
		assert_int_equal(m.nearest[i], j);
		assert_int_equal(m.partner[i], j);
		assert_true(m.mutual[i]);
		assert_near((double)m.cosine[i], 1, 1e-6);
		assert_near((double)m.partner_cosine[i], 1, 1e-6);
	}
	for (size_t i = 0, none = 0; i < ROWS; i++) {
		none += m.partner[i] == PS_NO_PARTNER;
		assert_true((m.partner[i] == PS_NO_PARTNER) == !!isnan(m.partner_cosine[i]));
		if (i == ROWS - 1)
			assert_int_equal(none, 1);
	}
	assert_near(out.pw_mcc, 1, 1e-6);
	assert_true(out.hungarian_cosine < 0.9);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
	free_pair(&pair);
}

/* Latents kept, rotated by a known angle, and lost: each survives up to the cosine of its angle. */
static void rotated_latents_survive_up_to_their_cosine(void **state)
{
	enum { ROWS = 20, WIDTH = 64 };
	static const double cosines[4] = {1, 0.85, 0.65, 0};
	struct pair pair;
	double survival[5];

	(void)state;
	make_pair(&pair, 22, ROWS, ROWS, WIDTH);
	memset(pair.a.dec, 0, ROWS * WIDTH * sizeof(float));
	memset(pair.b.dec, 0, ROWS * WIDTH * sizeof(float));
	for (size_t i = 0; i < ROWS; i++) {
		const double cosine = cosines[i % 4];

		pair.a.dec[i * WIDTH + i] = 1;
		pair.b.dec[i * WIDTH + i] = (float)cosine;
		pair.b.dec[i * WIDTH + ROWS + i] = (float)sqrt(1 - cosine * cosine);
	}
	compare_with(&pair, 1, NULL, survival);
	for (int t = 0; t < 5; t++)
		assert_near(survival[t],
			    taus[t] <= 0.65   ? 0.75
			    : taus[t] <= 0.85 ? 0.5
					      : 0.25,
			    1e-15);
	free_pair(&pair);
}

static void bad_dictionaries_are_named(void **state)
{
	struct pair pair;
	analysis_bench bench;
	ps_arena arena;
	ps_match match;

	(void)state;
	make_pair(&pair, 12, 20, 20, 8);
	analysis_open(&bench, 1);
	assert_int_equal(ps_arena_create(&arena, ps_match_bytes(20, 20, 8, 1), &bench.diag), 0);
	pair.b.dec[13 * 8 + 2] = NAN;
	assert_int_equal(ps_match_decoders(&pair.a, &pair.b, &bench.context, &arena, &match),
			 PS_EINPUT);
	assert_non_null(strstr(bench.diag.text, "row 13 of the second"));
	ps_arena_rewind(&arena, 0);
	bench.diag.text[0] = 0;
	pair.b.dec[13 * 8 + 2] = -INFINITY;
	assert_int_equal(ps_match_decoders(&pair.a, &pair.b, &bench.context, &arena, &match),
			 PS_EINPUT);
	assert_non_null(strstr(bench.diag.text, "row 13 of the second"));
	ps_arena_rewind(&arena, 0);
	bench.diag.text[0] = 0;
	pair.b.d_in = 7;
	assert_int_equal(ps_match_decoders(&pair.a, &pair.b, &bench.context, &arena, &match),
			 PS_EINPUT);
	assert_non_null(strstr(bench.diag.text, "widths 8 and 7"));
	ps_arena_destroy(&arena);
	analysis_close(&bench);
	free_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measures_equal_numpys),
		cmocka_unit_test(survival_of_none_is_not_a_number),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(a_dictionary_survives_in_itself_however_scaled),
		cmocka_unit_test(ties_go_to_the_lower_index),
		cmocka_unit_test(a_row_of_zeros_is_near_nothing),
		cmocka_unit_test(the_matching_is_the_planted_one),
		cmocka_unit_test(rotated_latents_survive_up_to_their_cosine),
		cmocka_unit_test(bad_dictionaries_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
