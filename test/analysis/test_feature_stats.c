/* analysis/feature_stats against numpy and scipy, and on latents whose fate is planted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/feature_stats.h"
#include "core/base/rng.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

#define LIMIT 1e-6 /* f32 rows through an f32 encoder */

/* --- rows in memory --- */

enum { ROWS_MAX = 6000, WIDTH_MAX = 12, LATENTS_MAX = 40 };

static struct {
	float enc[LATENTS_MAX * WIDTH_MAX], dec[LATENTS_MAX * WIDTH_MAX];
	float b_enc[LATENTS_MAX], b_dec[WIDTH_MAX];
	float rows[PS_MODEL_SIDES][ROWS_MAX * WIDTH_MAX];
	int32_t window_of[ROWS_MAX], position_of[ROWS_MAX];
	uint64_t words[(ROWS_MAX / PS_ROW_BLOCK + 1) * (PS_ROW_BLOCK / 64 + 1)];
	size_t width;
} data;

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	const float *rows = self;

	(void)diag;
	for (size_t i = 0; i < count; i++)
		memcpy(out + i * data.width, rows + ids[i] * data.width, data.width * sizeof *out);
	return 0;
}

static void column(void *self, ps_row_column which, const uint64_t *ids, size_t count, int32_t *out)
{
	(void)self;
	for (size_t i = 0; i < count; i++)
		out[i] = which == PS_ROW_TOKEN_ID   ? (int32_t)(ids[i] % 97)
			 : which == PS_ROW_POSITION ? data.position_of[ids[i]]
						    : data.window_of[ids[i]];
}

static ps_row_source source_of(ps_model_side side, size_t rows)
{
	return (ps_row_source){.self = data.rows[side],
			       .rows = rows,
			       .width = data.width,
			       .gather = gather,
			       .columns = 1 << PS_ROW_TOKEN_ID | 1 << PS_ROW_WINDOW_ID |
					  1 << PS_ROW_POSITION,
			       .column = column};
}

/* Windows of so many rows, whose first row is not listed. */
static ps_row_list windows_of(size_t rows, size_t window)
{
	memset(data.words, 0, sizeof data.words);
	for (size_t r = 0; r < rows; r++) {
		data.window_of[r] = (int32_t)(r / window);
		data.position_of[r] = (int32_t)(r % window);
		if (r % window)
			data.words[r / 64] |= (uint64_t)1 << r % 64;
	}
	return ps_row_list_make(data.words, rows);
}

struct outcome {
	ps_arena arena;
	ps_feature_stats stats;
	ps_diag diag;
	int rc;
};

static void run(struct outcome *o, const ps_sae *sae, const ps_row_list *list, size_t rows,
		int threads)
{
	const ps_row_source dense = source_of(PS_DENSE, rows), pruned = source_of(PS_PRUNED, rows);
	analysis_bench bench;

	analysis_open(&bench, threads);
	assert_int_equal(
		ps_arena_create(&o->arena, ps_feature_stats_bytes(sae, threads), &bench.diag), 0);
	o->rc = ps_feature_stats_run(
		&(ps_feature_input){.sae = sae, .dense = &dense, .pruned = &pruned, .rows = list},
		&bench.context, &o->arena, &o->stats);
	o->diag = bench.diag;
	analysis_close(&bench);
}

/* --- against numpy --- */

enum { WIDTH = 12, LATENTS = 40, ACTIVE = 5, ROWS = 1500, WINDOW = 50 };

static const ps_sae sae = {.arch = PS_SAE_TOPK,
			   .d_in = WIDTH,
			   .d_sae = LATENTS,
			   .k = ACTIVE,
			   .apply_b_dec_to_input = true,
			   .enc = data.enc,
			   .dec = data.dec,
			   .b_enc = data.b_enc,
			   .b_dec = data.b_dec};

/* As generate.py's features() makes it. */
static ps_row_list fill(void)
{
	static float noise[ROWS * WIDTH];

	data.width = WIDTH;
	analysis_fill_matrix(data.enc, LATENTS * WIDTH, 900, 0);
	analysis_fill_matrix(data.b_enc, LATENTS, 902, 0);
	analysis_fill_matrix(data.b_dec, WIDTH, 903, 0);
	analysis_fill_matrix(data.rows[PS_DENSE], ROWS * WIDTH, 904, 0);
	analysis_fill_matrix(noise, ROWS * WIDTH, 905, 0);
	data.b_enc[7] = -1000;
	for (size_t i = 0; i < ROWS * WIDTH; i++) {
		data.rows[PS_DENSE][i] *= 4;
		data.rows[PS_PRUNED][i] = data.rows[PS_DENSE][i] + 1.5f * noise[i];
	}
	return windows_of(ROWS, WINDOW);
}

/* A golden of NaN demands NaN. */
static void add(closeness *c, const char *name, double value, double golden)
{
	if (isnan(golden))
		assert_true(isnan(value));
	else
		closeness_add_named(c, name, value, golden, 1);
}

static void the_measures_equal_numpys(void **state)
{
	const ps_row_list list = fill();
	closeness c = {0};
	struct outcome o;

	(void)state;
	run(&o, &sae, &list, ROWS, 2);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.stats.rows, ROWS - ROWS / WINDOW);
	for (size_t j = 0; j < LATENTS; j++) {
		const ps_feature_measures m = ps_feature_measure(&o.stats, j);
		double golden[12];
		char name[32];

		snprintf(name, sizeof name, "feature.%zu", j);
		analysis_golden(name, golden, 12);
		assert_int_equal(o.stats.side[PS_DENSE].rows[j], golden[0]);
		assert_int_equal(o.stats.side[PS_PRUNED].rows[j], golden[1]);
		assert_int_equal(o.stats.both[j], golden[2]);
		assert_near(m.rate[PS_DENSE], golden[0] / (double)o.stats.rows, 1e-15);
		assert_int_equal(m.class, golden[11]);
		for (int s = 0; s < PS_MODEL_SIDES; s++) {
			add(&c, "peak", m.peak[s], golden[3 + s]);
			add(&c, "mean", m.mean[s], golden[5 + s]);
		}
		add(&c, "change of rate", m.rate_change, golden[7]);
		add(&c, "change of mean", m.mean_change, golden[8]);
		add(&c, "pearson", m.pearson, golden[9]);
		add(&c, "jaccard", m.jaccard, golden[10]);
	}
	assert_true(isnan(ps_feature_measure(&o.stats, 7).pearson));
	assert_closeness(&c, "measures", LIMIT);
	ps_arena_destroy(&o.arena);
}

static void histograms_and_contexts_equal_numpys(void **state)
{
	const ps_row_list list = fill();
	closeness c = {0};
	struct outcome o;

	(void)state;
	run(&o, &sae, &list, ROWS, 2);
	assert_int_equal(o.rc, 0);
	for (size_t j = 0; j < LATENTS; j += 5)
		for (int s = 0; s < PS_MODEL_SIDES; s++) {
			const ps_feature_side *side = &o.stats.side[s];
			double bins[PS_ACTIVATION_BINS], top[1 + 2 * PS_CONTEXTS];
			char name[48];

			snprintf(name, sizeof name, "feature_bins.%zu.%d", j, s);
			analysis_golden(name, bins, PS_ACTIVATION_BINS);
			for (size_t b = 0; b < PS_ACTIVATION_BINS; b++)
				assert_int_equal(side->bins[j * PS_ACTIVATION_BINS + b], bins[b]);
			snprintf(name, sizeof name, "feature_contexts.%zu.%d", j, s);
			analysis_golden(name, top, 1 + 2 * PS_CONTEXTS);
			assert_int_equal(side->context_count[j], top[0]);
			for (size_t i = 0; i < PS_CONTEXTS; i++) {
				const ps_feature_context *context =
					&side->contexts[j * PS_CONTEXTS + i];

				assert_int_equal(context->row, top[1 + i]);
				closeness_add_named(&c, "context", (double)context->activation,
						    top[1 + PS_CONTEXTS + i], 1);
			}
		}
	assert_closeness(&c, "contexts", LIMIT);
	ps_arena_destroy(&o.arena);
}

/* Every context's tokens are its window's, and its activations what the SAE encodes there. */
static void contexts_show_both_models_on_the_same_tokens(void **state)
{
	const ps_row_list list = fill();
	struct outcome o;
	size_t seen = 0;

	(void)state;
	run(&o, &sae, &list, ROWS, 2);
	assert_int_equal(o.rc, 0);
	for (size_t at = 0; at < PS_MODEL_SIDES * LATENTS * PS_CONTEXTS; at++) {
		const size_t j = at / PS_CONTEXTS % LATENTS, side = at / PS_CONTEXTS / LATENTS;
		const ps_feature_context *c =
			&o.stats.side[side].contexts[j * PS_CONTEXTS + at % PS_CONTEXTS];

		if (at % PS_CONTEXTS >= o.stats.side[side].context_count[j])
			continue;
		assert_int_equal(c->window, c->row / WINDOW);
		assert_int_equal(c->position, c->row % WINDOW);
		assert_true(c->value[side][PS_CONTEXT_BEFORE] == c->activation);
		assert_int_equal(c->before, c->position < 10 ? c->position : 10);
		assert_int_equal(c->after,
				 WINDOW - 1 - c->position < 5 ? WINDOW - 1 - c->position : 5);
		for (int at_token = -10; at_token <= 5; at_token++) {
			const bool inside = at_token >= -c->before && at_token <= c->after;

			assert_int_equal(c->token[10 + at_token],
					 inside ? ((int64_t)c->row + at_token) % 97 : PS_NO_TOKEN);
			if (!inside || c->position + at_token == 0)
				assert_true(c->value[0][10 + at_token] == 0 &&
					    c->value[1][10 + at_token] == 0);
		}
		seen += c->value[PS_DENSE][9] > 0 || c->value[PS_PRUNED][11] > 0;
	}
	assert_true(seen > 50);
	ps_arena_destroy(&o.arena);
}

static void threads_do_not_change_a_bit(void **state)
{
	const ps_row_list list = fill();
	struct outcome one, three;

	(void)state;
	run(&one, &sae, &list, ROWS, 1);
	run(&three, &sae, &list, ROWS, 3);
	for (int s = 0; s < PS_MODEL_SIDES; s++) {
		const ps_feature_side *a = &one.stats.side[s], *b = &three.stats.side[s];

		assert_memory_equal(a->sum, b->sum, LATENTS * sizeof *a->sum);
		assert_memory_equal(a->squares, b->squares, LATENTS * sizeof *a->squares);
		assert_memory_equal(a->contexts, b->contexts,
				    LATENTS * PS_CONTEXTS * sizeof *a->contexts);
	}
	assert_memory_equal(one.stats.product, three.stats.product,
			    LATENTS * sizeof *one.stats.product);
	ps_arena_destroy(&one.arena);
	ps_arena_destroy(&three.arena);
}

/* --- planted latents --- */

/* A ReLU whose encoder is the identity: latent j's activation is element j of the row, if that is
 * above 0. So each column's fate is planted. */
enum { PLANTED = 10, PLANTED_ROWS = 6000, PLANTED_WINDOW = 1500 };
static const ps_feature_class planted[PLANTED] = {
	PS_CLASS_KEPT,    PS_CLASS_KEPT,    PS_CLASS_KEPT, PS_CLASS_SHIFTED, PS_CLASS_SHIFTED,
	PS_CLASS_BLURRED, PS_CLASS_BLURRED, PS_CLASS_LOST, PS_CLASS_LOST,    PS_CLASS_NONE};

static const ps_sae identity = {.arch = PS_SAE_RELU,
				.d_in = PLANTED,
				.d_sae = PLANTED,
				.enc = data.enc,
				.dec = data.dec,
				.b_enc = data.b_enc,
				.b_dec = data.b_dec};

static double uniform(uint64_t seed, size_t column, size_t row)
{
	ps_rng rng = ps_rng_make(seed, column * PLANTED_ROWS + row);

	return ps_rng_uniform(&rng);
}

/* What the pruned model makes of x in column j, on row r. */
static float damaged(size_t j, size_t r, float x)
{
	const float other = uniform(5, j, r) < 0.2 ? 1 + (float)uniform(6, j, r) : 0;

	switch (j) {
	case 0:
		return x; /* the same */
	case 1:
		return 1.1f * x; /* a little stronger */
	case 2:
		return r % 50 ? x : 0; /* misses one token in fifty */
	case 3:
		return 2 * x; /* twice as strong */
	case 4:
		return 0.7f * x; /* rotated by 45 degrees */
	case 5:
		return r % 3 ? x : other; /* a third of its tokens are others */
	case 6:
		return r % 4 ? x : other; /* a fourth */
	case 7:
		return other; /* on other tokens */
	default:
		return 0; /* never */
	}
}

static ps_row_list plant(void)
{
	data.width = PLANTED;
	memset(data.enc, 0, sizeof data.enc);
	memset(data.dec, 0, sizeof data.dec);
	memset(data.b_enc, 0, sizeof data.b_enc);
	memset(data.b_dec, 0, sizeof data.b_dec);
	for (size_t j = 0; j < PLANTED; j++)
		data.enc[j * PLANTED + j] = data.dec[j * PLANTED + j] = 1;
	for (size_t r = 0; r < PLANTED_ROWS; r++)
		for (size_t j = 0; j < PLANTED; j++) {
			const bool fires = j != 9 && uniform(3, j, r) < 0.2;
			const float x = fires ? 1 + (float)uniform(4, j, r) : 0;

			data.rows[PS_DENSE][r * PLANTED + j] = x;
			data.rows[PS_PRUNED][r * PLANTED + j] = damaged(j, r, x);
		}
	return windows_of(PLANTED_ROWS, PLANTED_WINDOW);
}

static void each_latent_has_the_planted_class(void **state)
{
	const ps_row_list list = plant();
	struct outcome o;

	(void)state;
	run(&o, &identity, &list, PLANTED_ROWS, 2);
	assert_int_equal(o.rc, 0);
	for (size_t j = 0; j < PLANTED; j++) {
		const ps_feature_measures m = ps_feature_measure(&o.stats, j);

		if (m.class != planted[j])
			fail_msg("latent %zu is %s, planted %s (pearson %g)", j,
				 ps_feature_class_names[m.class],
				 ps_feature_class_names[planted[j]], m.pearson);
	}
	assert_near(ps_feature_measure(&o.stats, 0).pearson, 1, 1e-12);
	assert_near(ps_feature_measure(&o.stats, 3).mean_change, 1, 1e-7);
	assert_near(ps_feature_measure(&o.stats, 4).mean_change, -0.3, 1e-7);
	assert_near(ps_feature_measure(&o.stats, 8).rate_change, -1, 0);
	assert_true(isnan(ps_feature_measure(&o.stats, 8).mean_change));
	assert_true(isnan(ps_feature_measure(&o.stats, 9).jaccard));
	assert_true(isnan(ps_feature_measure(&o.stats, 9).mean[PS_DENSE]));
	ps_arena_destroy(&o.arena);
}

/* Windows of more rows than are encoded at a time: one context a window still, whose tokens and
 * activations never are those of another window, and end at the batch. */
static void long_windows_have_one_context_each(void **state)
{
	const ps_row_list list = plant();
	struct outcome o;
	size_t cut = 0;

	(void)state;
	run(&o, &identity, &list, PLANTED_ROWS, 1);
	assert_int_equal(o.rc, 0);
	for (size_t j = 0; j < PLANTED - 1; j++) {
		const ps_feature_context *list_of =
			&o.stats.side[PS_DENSE].contexts[j * PS_CONTEXTS];

		assert_int_equal(o.stats.side[PS_DENSE].context_count[j],
				 PLANTED_ROWS / PLANTED_WINDOW);
		for (size_t i = 0; i < PLANTED_ROWS / PLANTED_WINDOW; i++) {
			const ps_feature_context *c = &list_of[i];
			const size_t first = (size_t)c->window * PLANTED_WINDOW;
			float best = 0;

			for (size_t r = first; r < first + PLANTED_WINDOW; r++)
				if (r % PLANTED_WINDOW)
					best = fmaxf(best, data.rows[PS_DENSE][r * PLANTED + j]);
			assert_true(c->activation == best);
			assert_true(!i || list_of[i - 1].activation >= c->activation);
			for (int at = -c->before; at <= c->after; at++) {
				const size_t r = c->row + (size_t)at;

				if (r % PLANTED_WINDOW)
					assert_true(c->value[PS_PRUNED][10 + at] ==
						    data.rows[PS_PRUNED][r * PLANTED + j]);
			}
			cut += c->position >= 10 && c->before < 10;
		}
	}
	assert_true(cut <= PLANTED);
	ps_arena_destroy(&o.arena);
}

/* A latent that fires on every row with the same strength has no correlation; with strengths that
 * differ it has one, however small they differ. */
static void a_constant_latent_has_no_correlation(void **state)
{
	ps_row_list list = plant();
	struct outcome o;

	(void)state;
	for (size_t r = 0; r < PLANTED_ROWS; r++)
		for (int s = 0; s < PS_MODEL_SIDES; s++) {
			data.rows[s][r * PLANTED] = 1.1f;
			data.rows[s][r * PLANTED + 1] = 1 + (float)(r % 7) * 1e-4f;
		}
	run(&o, &identity, &list, PLANTED_ROWS, 1);
	assert_int_equal(o.rc, 0);
	assert_true(isnan(ps_feature_measure(&o.stats, 0).pearson));
	assert_int_equal(ps_feature_measure(&o.stats, 0).class, PS_CLASS_NONE);
	assert_near(ps_feature_measure(&o.stats, 1).pearson, 1, 1e-6);
	ps_arena_destroy(&o.arena);
}

/* Rows in a random order: a context has no neighbours, and the measures are the same. */
static void shuffled_rows_have_contexts_of_one_token(void **state)
{
	ps_row_list list = plant();
	struct outcome o;

	(void)state;
	for (size_t r = 0; r < PLANTED_ROWS; r++) {
		data.window_of[r] = (int32_t)(r * 7919 % 23);
		data.position_of[r] = (int32_t)(r * 31 % 1009);
	}
	run(&o, &identity, &list, PLANTED_ROWS, 2);
	assert_int_equal(o.rc, 0);
	for (size_t i = 0; i < PS_CONTEXTS; i++) {
		const ps_feature_context *c = &o.stats.side[PS_DENSE].contexts[i];

		assert_int_equal(c->before + c->after, 0);
		for (size_t other = 0; other < i; other++)
			assert_true(c[-(ptrdiff_t)(i - other)].window != c->window);
	}
	assert_int_equal(ps_feature_measure(&o.stats, 3).class, PS_CLASS_SHIFTED);
	ps_arena_destroy(&o.arena);
}

static void activations_beyond_the_bins_count_in_the_outer_ones(void **state)
{
	static const float values[6] = {1e-9f, 0.000244140625f, 1, 1.41421354f, 1.41421366f, 3e30f};
	static const size_t bins[6] = {0, 0, 24, 25, 25, 63};
	ps_row_list list = plant();
	struct outcome o;

	(void)state;
	for (size_t r = 0; r < PLANTED_ROWS; r++)
		data.rows[PS_DENSE][r * PLANTED] = values[r % 6];
	run(&o, &identity, &list, PLANTED_ROWS, 1);
	for (size_t b = 0; b < PS_ACTIVATION_BINS; b++) {
		size_t expected = 0;

		for (size_t r = 0; r < PLANTED_ROWS; r++)
			expected += r % PLANTED_WINDOW && bins[r % 6] == b;
		assert_int_equal(o.stats.side[PS_DENSE].bins[b], expected);
	}
	assert_true(ps_activation_edge(0) == 0.000244140625f && ps_activation_edge(24) == 1);
	assert_true(ps_activation_edge(25) == 1.41421354f);
	assert_true(ps_activation_edge(PS_ACTIVATION_BINS) == 1048576);
	ps_arena_destroy(&o.arena);
}

static void sources_that_do_not_say_enough_are_refused(void **state)
{
	const ps_row_list list = plant();
	const ps_row_source dense = source_of(PS_DENSE, PLANTED_ROWS);
	ps_row_source other = dense;
	analysis_bench bench;
	ps_feature_stats stats;
	ps_arena arena;

	(void)state;
	analysis_open(&bench, 1);
	assert_int_equal(ps_arena_create(&arena, ps_feature_stats_bytes(&identity, 1), &bench.diag),
			 0);
	other.columns = 1 << PS_ROW_TOKEN_ID | 1 << PS_ROW_WINDOW_ID;
	assert_int_equal(ps_feature_stats_run(&(ps_feature_input){&identity, &other, &dense, &list},
					      &bench.context, &arena, &stats),
			 PS_EINPUT);
	assert_non_null(strstr(bench.diag.text, "window and position"));
	bench.diag.text[0] = 0;
	other.rows--;
	assert_int_equal(ps_feature_stats_run(&(ps_feature_input){&identity, &dense, &other, &list},
					      &bench.context, &arena, &stats),
			 PS_EINPUT);
	assert_non_null(strstr(bench.diag.text, "has 6000 rows, the pruned one 5999"));
	data.rows[PS_PRUNED][2000 * PLANTED + 3] = INFINITY;
	bench.diag.text[0] = 0;
	assert_int_equal(
		ps_feature_stats_run(&(ps_feature_input){&identity, &dense,
							 &(ps_row_source){.self = data.rows[1],
									  .rows = PLANTED_ROWS,
									  .width = PLANTED,
									  .gather = gather,
									  .columns = 7,
									  .column = column},
							 &list},
				     &bench.context, &arena, &stats),
		PS_EFAILED);
	assert_non_null(strstr(bench.diag.text, "overflow"));
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_measures_equal_numpys),
		cmocka_unit_test(histograms_and_contexts_equal_numpys),
		cmocka_unit_test(contexts_show_both_models_on_the_same_tokens),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(each_latent_has_the_planted_class),
		cmocka_unit_test(long_windows_have_one_context_each),
		cmocka_unit_test(a_constant_latent_has_no_correlation),
		cmocka_unit_test(shuffled_rows_have_contexts_of_one_token),
		cmocka_unit_test(activations_beyond_the_bins_count_in_the_outer_ones),
		cmocka_unit_test(sources_that_do_not_say_enough_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
