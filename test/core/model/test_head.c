/* The output head agrees with double precision over a vocabulary of several blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/model/head.h"
#include "test/support/support_close.h"

#define WIDTH 60
#define VOCAB 5003 /* two whole blocks and a piece */
#define TOKENS 37

/* Weights in plain memory, and two sets of hidden states. */
struct data {
	float weights[VOCAB * WIDTH], gain[WIDTH];
	float hidden[2][TOKENS * WIDTH];
	int32_t targets[TOKENS];
	int head_calls;
};

static int head_rows(void *self, size_t first, size_t rows, ps_weight *out, ps_diag *diag)
{
	struct data *data = self;

	(void)diag;
	assert_true(first + rows <= VOCAB);
	data->head_calls++;
	*out = (ps_weight){.data = data->weights + first * WIDTH,
			   .dtype = PS_F32,
			   .rows = rows,
			   .cols = WIDTH};
	return 0;
}

static int final_norm(void *self, float *out, ps_diag *diag)
{
	(void)diag;
	memcpy(out, ((struct data *)self)->gain, WIDTH * sizeof *out);
	return 0;
}

static struct data *make_data(float scale)
{
	struct data *data = calloc(1, sizeof *data);
	ps_rng rng = ps_rng_make(11, 0);

	assert_non_null(data);
	for (size_t i = 0; i < VOCAB * WIDTH; i++)
		data->weights[i] = ps_rng_normal(&rng) * scale;
	for (size_t i = 0; i < WIDTH; i++)
		data->gain[i] = ps_rng_normal(&rng) * 0.3f;
	for (size_t i = 0; i < TOKENS * WIDTH; i++) {
		data->hidden[0][i] = ps_rng_normal(&rng) * 5;
		data->hidden[1][i] = data->hidden[0][i] + ps_rng_normal(&rng);
	}
	for (size_t t = 0; t < TOKENS; t++)
		data->targets[t] = (int32_t)ps_rng_below(&rng, VOCAB);
	/* Targets beside the borders of the blocks. */
	memcpy(data->targets, (const int32_t[]){0, 2047, 2048, 4095, 4096, VOCAB - 1},
	       6 * sizeof *data->targets);
	return data;
}

static ps_model_config make_config(double cap)
{
	return (ps_model_config){.family = PS_FAMILY_GEMMA2,
				 .width = WIDTH,
				 .vocab = VOCAB,
				 .norm_eps = 1e-6,
				 .logit_softcap = cap};
}

struct bench {
	ps_model_config config;
	ps_weight_source source;
	ps_pool *pool;
	ps_diag diag;
	ps_context context;
	ps_arena arena;
	ps_head *head;
};

static void bench_open(struct bench *b, struct data *data, double cap, int threads,
		       size_t max_tokens)
{
	*b = (struct bench){
		.config = make_config(cap),
		.source = {.self = data, .head_rows = head_rows, .final_norm = final_norm}};
	assert_int_equal(ps_pool_create(&b->pool, threads, &b->diag), 0);
	b->context = (ps_context){.pool = b->pool, .diag = &b->diag};
	assert_int_equal(
		ps_arena_create(&b->arena,
				ps_head_bytes(&b->config, PS_PRECISION_F32, threads, max_tokens),
				&b->diag),
		0);
	assert_int_equal(ps_head_create(&b->head, &b->config, &b->source, &b->context,
					PS_PRECISION_F32, max_tokens, &b->arena),
			 0);
}

static void bench_close(struct bench *b)
{
	assert_string_equal(b->diag.text, "");
	ps_arena_destroy(&b->arena);
	ps_pool_destroy(b->pool);
}

/* Computes the logits of one token in double precision, and returns log sum e^z. */
static double reference(const struct data *data, const float *hidden, double cap, double *z)
{
	double square = 0, scale, max = -INFINITY, sum = 0;

	for (size_t d = 0; d < WIDTH; d++)
		square += (double)hidden[d] * (double)hidden[d];
	scale = 1 / sqrt(square / WIDTH + 1e-6);
	for (size_t v = 0; v < VOCAB; v++) {
		z[v] = 0;
		for (size_t d = 0; d < WIDTH; d++)
			z[v] += (double)hidden[d] * scale * (1 + (double)data->gain[d]) *
				(double)data->weights[v * WIDTH + d];
		if (cap > 0)
			z[v] = cap * tanh(z[v] / cap);
		max = fmax(max, z[v]);
	}
	for (size_t v = 0; v < VOCAB; v++)
		sum += exp(z[v] - max);
	return max + log(sum);
}

/* Expects that losses and KL agree with the reference; errors are shares of 1 + the reference. */
static void check(const struct data *data, double cap, const double *nll, const double *nll_other,
		  const double *kl, double nll_tolerance, double kl_tolerance)
{
	static double z[VOCAB], y[VOCAB];
	closeness losses = {0}, divergences = {0};

	for (size_t t = 0; t < TOKENS; t++) {
		double a = reference(data, data->hidden[0] + t * WIDTH, cap, z);
		double b = reference(data, data->hidden[1] + t * WIDTH, cap, y);
		double want = 0, target = a - z[data->targets[t]], other = b - y[data->targets[t]];

		for (size_t v = 0; v < VOCAB; v++)
			want += exp(z[v] - a) * ((z[v] - a) - (y[v] - b));
		closeness_add_named(&losses, "nll", nll[t], target, 1 + target);
		closeness_add_named(&losses, "other nll", nll_other[t], other, 1 + other);
		closeness_add(&divergences, kl[t], want, 1 + want);
	}
	print_message("cap %g\n", cap);
	assert_closeness(&losses, "nll", nll_tolerance);
	assert_closeness(&divergences, "kl", kl_tolerance);
}

static void losses_and_divergence_equal_double_precision(void **state)
{
	static const struct {
		float scale;
		double cap, nll_tolerance, kl_tolerance;
	} cases[] = {{0.1f, 0, 6e-7, 1e-6},
		     {0.3f, 0, 6e-7, 1e-6},
		     {0.5f, 3, 6e-7, 1e-6},
		     {20, 0, 2e-6, 3e-4},
		     {20, 30, 5e-6, 8e-7}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct data *data = make_data(cases[i].scale);
		double nll[TOKENS], clean[TOKENS], other[TOKENS], kl[TOKENS];
		struct bench b;

		bench_open(&b, data, cases[i].cap, 2, 16);
		assert_int_equal(ps_head_nll(b.head, data->hidden[0], data->targets, TOKENS, nll),
				 0);
		assert_int_equal(ps_head_kl(b.head, data->hidden[0], data->hidden[1], data->targets,
					    TOKENS, &(ps_head_comparison){clean, other, kl}),
				 0);
		assert_memory_equal(nll, clean, sizeof nll);
		check(data, cases[i].cap, nll, other, kl, cases[i].nll_tolerance,
		      cases[i].kl_tolerance);
		bench_close(&b);
		free(data);
	}
}

static void logits_equal_double_precision(void **state)
{
	static float logits[TOKENS * VOCAB];
	static double z[VOCAB];
	struct data *data = make_data(0.5f);

	(void)state;
	for (int capped = 0; capped < 2; capped++) {
		closeness c = {0};
		struct bench b;

		bench_open(&b, data, capped * 3, 2, 16);
		assert_int_equal(ps_head_logits(b.head, data->hidden[0], TOKENS, logits), 0);
		for (size_t t = 0; t < TOKENS; t++) {
			reference(data, data->hidden[0] + t * WIDTH, capped * 3, z);
			for (size_t v = 0; v < VOCAB; v++)
				closeness_add(&c, (double)logits[t * VOCAB + v], z[v], 1);
		}
		assert_closeness_share(&c, "logits, of the largest", 2e-6);
		bench_close(&b);
	}
	free(data);
}

static void same_bits_whatever_batch_and_threads(void **state)
{
	static const struct {
		int threads;
		size_t max_tokens;
	} ways[] = {{1, 1}, {1, 2}, {2, 7}, {3, 36}, {2, 37}, {1, 500}};
	static float logits[2][TOKENS * VOCAB];
	struct data *data = make_data(0.3f);
	double result[2][4][TOKENS];

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		double(*r)[TOKENS] = result[i > 0];
		struct bench b;

		bench_open(&b, data, 5, ways[i].threads, ways[i].max_tokens);
		assert_int_equal(ps_head_nll(b.head, data->hidden[0], data->targets, TOKENS, r[0]),
				 0);
		assert_int_equal(ps_head_kl(b.head, data->hidden[0], data->hidden[1], data->targets,
					    TOKENS, &(ps_head_comparison){r[1], r[2], r[3]}),
				 0);
		assert_int_equal(ps_head_logits(b.head, data->hidden[0], TOKENS, logits[i > 0]), 0);
		if (i) {
			assert_memory_equal(result[0], result[1], sizeof result[0]);
			assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
		}
		bench_close(&b);
	}
	free(data);
}

static void no_divergence_from_itself(void **state)
{
	struct data *data = make_data(0.3f);
	double kl[TOKENS];
	struct bench b;

	(void)state;
	bench_open(&b, data, 0, 2, 16);
	assert_int_equal(ps_head_kl(b.head, data->hidden[1], data->hidden[1], data->targets, TOKENS,
				    &(ps_head_comparison){.kl = kl}),
			 0);
	for (size_t t = 0; t < TOKENS; t++)
		assert_true(kl[t] == 0);
	bench_close(&b);
	free(data);
}

static void each_block_is_read_once_per_batch(void **state)
{
	struct data *data = make_data(0.3f);
	double nll[TOKENS];
	struct bench b;

	(void)state;
	bench_open(&b, data, 0, 1, 16);
	assert_int_equal(ps_head_nll(b.head, data->hidden[0], data->targets, TOKENS, nll), 0);
	assert_int_equal(data->head_calls, 3 * 3);
	bench_close(&b);
	free(data);
}

static void a_broken_state_gives_no_number(void **state)
{
	struct data *data = make_data(0.3f);
	double nll[TOKENS];
	struct bench b;

	(void)state;
	data->hidden[0][3 * WIDTH + 5] = NAN;
	bench_open(&b, data, 0, 1, 64);
	assert_int_equal(ps_head_nll(b.head, data->hidden[0], data->targets, TOKENS, nll), 0);
	assert_true(isnan(nll[3]) && isfinite(nll[2]) && isfinite(nll[4]));
	bench_close(&b);
	free(data);
}

static void targets_outside_the_vocabulary_are_named(void **state)
{
	struct data *data = make_data(0.3f);
	double nll[TOKENS];
	struct bench b;

	(void)state;
	bench_open(&b, data, 0, 1, 16);
	data->targets[20] = VOCAB;
	assert_int_equal(ps_head_nll(b.head, data->hidden[0], data->targets, TOKENS, nll),
			 PS_EINPUT);
	assert_non_null(strstr(b.diag.text, "target 20: token id 5003"));
	assert_int_equal(ps_head_kl(b.head, data->hidden[0], data->hidden[1], data->targets, TOKENS,
				    &(ps_head_comparison){.kl = nll}),
			 PS_EINPUT);
	b.diag.text[0] = 0;
	bench_close(&b);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses_and_divergence_equal_double_precision),
		cmocka_unit_test(logits_equal_double_precision),
		cmocka_unit_test(same_bits_whatever_batch_and_threads),
		cmocka_unit_test(no_divergence_from_itself),
		cmocka_unit_test(each_block_is_read_once_per_batch),
		cmocka_unit_test(a_broken_state_gives_no_number),
		cmocka_unit_test(targets_outside_the_vocabulary_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
