/* sae/batch_topk: the largest values of a batch are chosen exactly. */
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

#include "sae/batch_topk.h"
#include "sae/sparse.h"
#include "test/support/support_close.h"
#include "test/support/support_sae.h"

enum { BATCH_ROWS = 60, BATCH_LATENTS = 500, BATCH_WIDTH = 8 };

/* Which z a batch has: of very different sizes, whole numbers with many ties, hardly any
 * positive. */
enum values { VARIED, TIES, FEW };

static void fill_selection(ps_sae *sae, float *x, enum values values)
{
	fill_normal(sae->enc, BATCH_LATENTS * BATCH_WIDTH, 1, 1);
	fill_normal(x, BATCH_ROWS * BATCH_WIDTH, 1, 2);
	for (size_t i = 0; i < BATCH_ROWS * BATCH_WIDTH; i++)
		x[i] *= i / BATCH_WIDTH % 10 ? 0.1f : 5;
	for (size_t i = 0; values == TIES && i < BATCH_ROWS * BATCH_WIDTH; i++)
		x[i] = i / BATCH_WIDTH % 10 ? 0 : roundf(x[i]);
	for (size_t i = 0; values == TIES && i < BATCH_LATENTS * BATCH_WIDTH; i++)
		sae->enc[i] = roundf(sae->enc[i]);
	for (size_t j = 0; values == FEW && j < BATCH_LATENTS; j++)
		sae->b_enc[j] = -12;
}

static int larger_first(const void *a, const void *b)
{
	const float x = *(const float *)a, y = *(const float *)b;

	return (x < y) - (x > y);
}

/* The n-th largest value of codes. */
static float nth_largest(const ps_codes *codes, size_t n)
{
	const size_t entries = codes->start[codes->rows];
	float *sorted = malloc(entries * sizeof *sorted), value;

	assert_non_null(sorted);
	memcpy(sorted, codes->value, entries * sizeof *sorted);
	qsort(sorted, entries, sizeof *sorted, larger_first);
	value = sorted[n - 1];
	free(sorted);
	return value;
}

/* Every selected value is the latent's own and at the cut or above. The tolerance is there because
 * the encoders of `selected` and `all` sum in different orders. */
static void check_selected(const ps_codes *selected, const ps_codes *all, float cut)
{
	closeness close = {0};

	for (size_t r = 0; r < BATCH_ROWS; r++) {
		float z[BATCH_LATENTS] = {0};

		for (size_t i = all->start[r]; i < all->start[r + 1]; i++)
			z[all->index[i]] = all->value[i];
		for (size_t i = selected->start[r]; i < selected->start[r + 1]; i++) {
			assert_true(i == selected->start[r] ||
				    selected->index[i - 1] < selected->index[i]);
			closeness_add(&close, selected->value[i], z[selected->index[i]], 1);
			assert_true(selected->value[i] >= cut - 3e-5f);
		}
	}
	assert_closeness(&close, "chosen values", 3e-5);
}

static void check_batch_selection(size_t mean_k, enum values values)
{
	const size_t candidates = ps_batch_topk_candidates(mean_k, BATCH_LATENTS),
		     total = BATCH_ROWS * mean_k;
	float x[BATCH_ROWS * BATCH_WIDTH];
	size_t expected, crowded = 0;
	ps_sae lister, full;
	ps_encoder *encoder, *dense;
	ps_batch_topk *b;
	ps_codes codes, all;
	ps_sae_layout layout;
	workspace w;

	workspace_open(&w, 2, 32 << 20);
	layout = ps_sae_layout_in(&w.arena, &w.context);
	lister = (ps_sae){
		.arch = PS_SAE_TOPK, .d_in = BATCH_WIDTH, .d_sae = BATCH_LATENTS, .k = candidates};
	ps_sae_lay_out(&layout, &lister);
	fill_selection(&lister, x, values);
	full = lister;
	full.arch = PS_SAE_RELU;
	encoder = ps_encoder_lay_out(&layout, &lister, BATCH_ROWS);
	ps_codes_lay_out(&layout, &codes, &lister, BATCH_ROWS);
	dense = ps_encoder_lay_out(&layout, &full, BATCH_ROWS);
	ps_codes_lay_out(&layout, &all, &full, BATCH_ROWS);
	b = ps_batch_topk_lay_out(&layout, &lister, BATCH_ROWS, mean_k);
	ps_encoder_run(dense, x, BATCH_ROWS, &all);
	expected = all.start[BATCH_ROWS] < total ? all.start[BATCH_ROWS] : total;
	ps_encoder_run(encoder, x, BATCH_ROWS, &codes);
	ps_batch_topk_select(b, x, total, candidates, &codes);
	assert_int_equal(codes.start[BATCH_ROWS], expected);
	check_selected(&codes, &all, nth_largest(&all, expected));
	for (size_t r = 0; r < BATCH_ROWS; r++)
		crowded += codes.start[r + 1] - codes.start[r] > candidates;
	print_message("mean k %zu, %zu of %zu positive chosen, %zu rows beyond their candidates\n",
		      mean_k, expected, all.start[BATCH_ROWS], crowded);
	assert_true(values != VARIED || crowded > 0 || candidates == BATCH_LATENTS);
	workspace_close(&w);
}

static void the_largest_of_a_batch_are_chosen_exactly(void **state)
{
	(void)state;
	check_batch_selection(5, VARIED);
	check_batch_selection(30, VARIED);
	check_batch_selection(200, VARIED);
	check_batch_selection(10, TIES);
	check_batch_selection(10, FEW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_of_a_batch_are_chosen_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
