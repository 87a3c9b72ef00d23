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

#include "core/base/rng.h"
#include "sae/sae.h"
#include "sae/topk.h"
#include "test/support/support_close.h"
#include "test/support/support_sae.h"

enum { D = 19, F = 48, K = 5, ROWS = 21, CASES = 6 };

/* Selects by the definition: k times the largest value that is left, ties to the lower index. */
static size_t select_plainly(const float *z, size_t n, size_t k, uint8_t *chosen)
{
	size_t count = 0;

	memset(chosen, 0, n);
	for (size_t i = 0; i < k; i++) {
		size_t best = n;

		for (size_t j = 0; j < n; j++)
			if (!chosen[j] && z[j] > 0 && (best == n || z[j] > z[best]))
				best = j;
		if (best == n)
			break;
		chosen[best] = 1;
		count++;
	}
	return count;
}

static void check_selection(const float *z, size_t n, size_t k)
{
	void *scratch = malloc(ps_topk_scratch(n));
	uint32_t *index = malloc(k * sizeof *index);
	float *value = malloc(k * sizeof *value);
	uint8_t *chosen = malloc(n);
	const size_t expected = select_plainly(z, n, k, chosen),
		     count = ps_topk_select(z, n, k, scratch, index, value);
	size_t at = 0;

	assert_int_equal(count, expected);
	for (size_t j = 0; j < n; j++) {
		if (!chosen[j])
			continue;
		assert_int_equal(index[at], j);
		assert_memory_equal(&value[at], &z[j], sizeof *z);
		at++;
	}
	free(scratch);
	free(index);
	free(value);
	free(chosen);
}

static void topk_selects_the_largest_with_ties_to_the_lower_index(void **state)
{
	static const size_t lengths[] = {1, 5, 31, 32, 33, 300, 1024, 2051};
	static float z[2051];

	(void)state;
	for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
		const size_t n = lengths[l];

		for (size_t k = 1; k <= n; k = 2 * k + 1) {
			fill_normal(z, n, 1, 7 * n + k);
			check_selection(z, n, k);
			for (size_t i = 0; i < n; i++)
				z[i] = roundf(2 * z[i]); /* many ties, many zeros */
			check_selection(z, n, k);
			for (size_t i = 0; i < n; i++)
				z[i] = i % 37 == 5 ? z[i]
						   : -1 - z[i] * z[i]; /* hardly any positive */
			check_selection(z, n, k);
		}
	}
}

/* Selects without the ReLU: the k largest of any sign, ties to the lower index. */
static void signed_topk_selects_the_largest_of_any_sign(void **state)
{
	enum { N = 300 };
	static float z[N];
	void *scratch = malloc(ps_topk_signed_scratch(N));

	(void)state;
	for (size_t k = 1; k <= N; k = 2 * k + 1) {
		uint32_t index[N];
		float value[N];
		uint8_t chosen[N] = {0};
		size_t at = 0;

		fill_normal(z, N, 1, k);
		for (size_t i = 0; i < N; i++)
			z[i] = roundf(3 * z[i]) - 2; /* many ties, more negative than not */
		for (size_t i = 0; i < k; i++) {
			size_t best = N;

			for (size_t j = 0; j < N; j++)
				if (!chosen[j] && (best == N || z[j] > z[best]))
					best = j;
			chosen[best] = 1;
		}
		assert_int_equal(ps_topk_select_signed(z, N, k, scratch, index, value), k);
		for (size_t j = 0; j < N; j++) {
			if (!chosen[j])
				continue;
			assert_int_equal(index[at], j);
			assert_true(value[at] == z[j]);
			at++;
		}
	}
	free(scratch);
}

static void topk_takes_extreme_values_and_passes_over_nan(void **state)
{
	static float z[640];

	(void)state;
	fill_normal(z, 640, 1e-3, 3);
	z[17] = INFINITY;
	z[18] = 3e38f;
	z[19] = 1e-45f;
	z[400] = NAN;
	z[401] = -NAN;
	z[402] = -INFINITY;
	for (size_t k = 1; k < 640; k += 9)
		check_selection(z, 640, k);
	for (size_t i = 0; i < 640; i++)
		z[i] = NAN;
	check_selection(z, 640, 3);
}

/* Every case has this record; only some architectures use its values. */
static void take_or_skip(golden *g, const char *name, float *values)
{
	const float *record = golden_next(g, name, F);

	if (values)
		memcpy(values, record, F * sizeof *values);
}

static void load_case(golden *g, ps_sae *sae, ps_arena *arena, ps_diag *diag, int number)
{
	static const ps_sae_arch arch[CASES] = {PS_SAE_TOPK,     PS_SAE_TOPK, PS_SAE_TOPK,
						PS_SAE_JUMPRELU, PS_SAE_RELU, PS_SAE_GATED};

	assert_int_equal(ps_sae_create(sae, arch[number], D, F, K, arena, diag), 0);
	sae->rescale_by_decoder_norm = number == 1;
	sae->apply_b_dec_to_input = number != 2;
	memcpy(sae->enc, golden_next(g, "enc", F * D), F * D * sizeof(float));
	memcpy(sae->dec, golden_next(g, "dec", F * D), F * D * sizeof(float));
	memcpy(sae->b_enc, golden_next(g, "b_enc", F), F * sizeof(float));
	memcpy(sae->b_dec, golden_next(g, "b_dec", D), D * sizeof(float));
	take_or_skip(g, "threshold", sae->threshold);
	take_or_skip(g, "r_mag", sae->r_mag);
	take_or_skip(g, "b_mag", sae->b_mag);
}

static void check_codes(const ps_codes *codes, const float *acts)
{
	float dense[ROWS * F] = {0};
	size_t listed = 0, expected = 0;
	closeness c = {0};

	for (size_t r = 0; r < ROWS; r++) {
		for (size_t i = codes->start[r]; i < codes->start[r + 1]; i++) {
			assert_true(codes->index[i] < F && codes->value[i] > 0);
			assert_true(i == codes->start[r] || codes->index[i - 1] < codes->index[i]);
			dense[r * F + codes->index[i]] = codes->value[i];
			listed++;
		}
	}
	for (size_t i = 0; i < ROWS * F; i++) {
		assert_int_equal(acts[i] != 0, dense[i] != 0);
		expected += acts[i] != 0;
	}
	assert_int_equal(listed, expected);
	closeness_add_floats(&c, dense, acts, ROWS * F);
	assert_closeness_share(&c, "codes", 1e-6);
}

static void codes_and_reconstructions_agree_with_saelens(void **state)
{
	golden g = golden_open("test/fixtures/sae/encodings.golden");
	float x_hat[ROWS * D];

	(void)state;
	for (int number = 0; number < CASES; number++) {
		ps_encoder *encoder;
		closeness c = {0};
		ps_codes codes;
		ps_sae sae;
		workspace w;
		const float *x;

		workspace_open(&w, 2, 4 << 20);
		load_case(&g, &sae, &w.arena, &w.diag, number);
		x = golden_next(&g, "x", ROWS * D);
		assert_int_equal(ps_encoder_create(&encoder, &sae, &w.context, ROWS, &w.arena), 0);
		assert_int_equal(ps_codes_create(&codes, &sae, ROWS, &w.arena, &w.diag), 0);
		ps_encoder_run(encoder, x, ROWS, &codes);
		check_codes(&codes, golden_next(&g, "acts", ROWS * F));
		ps_sae_decode(&sae, &w.context, &codes, x_hat);
		closeness_add_floats(&c, x_hat, golden_next(&g, "x_hat", ROWS * D), ROWS * D);
		assert_closeness_share(&c, "reconstructions", 1e-6);
		workspace_close(&w);
	}
	golden_close(&g);
}

enum { BIG_D = 37, BIG_F = 700, BIG_K = 9, BIG_ROWS = 1100 };

struct result {
	size_t start[BIG_ROWS + 1];
	uint32_t *index;
	float *value, *x_hat;
};

/* Encodes and decodes all rows, `batch` at a time. */
static void run_in_batches(ps_sae_arch arch, int threads, size_t batch, const float *x,
			   struct result *out)
{
	ps_encoder *encoder;
	ps_codes codes;
	ps_sae sae;
	workspace w;
	size_t total = 0;

	workspace_open(&w, threads, 32 << 20);
	assert_int_equal(ps_sae_create(&sae, arch, BIG_D, BIG_F, BIG_K, &w.arena, &w.diag), 0);
	fill_normal(sae.enc, BIG_F * BIG_D, 1, 1);
	fill_normal(sae.dec, BIG_F * BIG_D, 1, 2);
	fill_normal(sae.b_dec, BIG_D, 1, 3);
	assert_int_equal(ps_encoder_create(&encoder, &sae, &w.context, batch, &w.arena), 0);
	assert_int_equal(ps_codes_create(&codes, &sae, batch, &w.arena, &w.diag), 0);
	for (size_t first = 0; first < BIG_ROWS; first += batch) {
		const size_t rows = BIG_ROWS - first < batch ? BIG_ROWS - first : batch;

		ps_encoder_run(encoder, x + first * BIG_D, rows, &codes);
		ps_sae_decode(&sae, &w.context, &codes, out->x_hat + first * BIG_D);
		for (size_t r = 0; r < rows; r++)
			out->start[first + r] = total + codes.start[r];
		memcpy(out->index + total, codes.index, codes.start[rows] * sizeof *codes.index);
		memcpy(out->value + total, codes.value, codes.start[rows] * sizeof *codes.value);
		total += codes.start[rows];
	}
	out->start[BIG_ROWS] = total;
	workspace_close(&w);
}

static struct result *make_result(void)
{
	struct result *r = calloc(1, sizeof *r);

	r->index = calloc(BIG_ROWS * BIG_F, sizeof *r->index);
	r->value = calloc(BIG_ROWS * BIG_F, sizeof *r->value);
	r->x_hat = calloc(BIG_ROWS * BIG_D, sizeof *r->x_hat);
	return r;
}

static void drop_result(struct result *r)
{
	free(r->index);
	free(r->value);
	free(r->x_hat);
	free(r);
}

static void check_same_bits(ps_sae_arch arch, const float *x)
{
	static const struct {
		int threads;
		size_t batch;
	} ways[] = {{2, BIG_ROWS}, {3, 600}, {1, 7}};
	struct result *once = make_result();

	run_in_batches(arch, 1, BIG_ROWS, x, once);
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		struct result *again = make_result();
		const size_t total = once->start[BIG_ROWS];

		run_in_batches(arch, ways[i].threads, ways[i].batch, x, again);
		assert_memory_equal(once->start, again->start, sizeof once->start);
		assert_memory_equal(once->index, again->index, total * sizeof *once->index);
		assert_memory_equal(once->value, again->value, total * sizeof *once->value);
		assert_memory_equal(once->x_hat, again->x_hat,
				    BIG_ROWS * BIG_D * sizeof *once->x_hat);
		drop_result(again);
	}
	drop_result(once);
}

static void any_threads_and_batches_give_the_same_bits(void **state)
{
	float *x = malloc(BIG_ROWS * BIG_D * sizeof *x);

	(void)state;
	fill_normal(x, BIG_ROWS * BIG_D, 1, 4);
	check_same_bits(PS_SAE_TOPK, x);
	check_same_bits(PS_SAE_RELU, x);
	check_same_bits(PS_SAE_GATED, x);
	free(x);
}

static void impossible_shapes_are_refused(void **state)
{
	workspace w;
	ps_sae sae;

	(void)state;
	workspace_open(&w, 1, 1 << 20);
	assert_int_equal(ps_sae_create(&sae, PS_SAE_TOPK, 8, 16, 17, &w.arena, &w.diag), PS_EINPUT);
	assert_int_equal(ps_sae_create(&sae, PS_SAE_TOPK, 8, 16, 0, &w.arena, &w.diag), PS_EINPUT);
	assert_int_equal(ps_sae_create(&sae, PS_SAE_RELU, 0, 16, 0, &w.arena, &w.diag), PS_EINPUT);
	assert_int_equal(ps_sae_create(&sae, PS_SAE_RELU, SIZE_MAX / 2, 16, 0, &w.arena, &w.diag),
			 PS_EINPUT);
	assert_int_equal(ps_sae_create(&sae, PS_SAE_RELU, 1024, 1024, 0, &w.arena, &w.diag),
			 PS_EBUDGET);
	workspace_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(topk_selects_the_largest_with_ties_to_the_lower_index),
		cmocka_unit_test(signed_topk_selects_the_largest_of_any_sign),
		cmocka_unit_test(topk_takes_extreme_values_and_passes_over_nan),
		cmocka_unit_test(codes_and_reconstructions_agree_with_saelens),
		cmocka_unit_test(any_threads_and_batches_give_the_same_bits),
		cmocka_unit_test(impossible_shapes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
