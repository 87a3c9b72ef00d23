/* analysis/promoted: the tokens of each latent are those that all logits, computed one by one in
 * double and sorted, begin and end with. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/promoted.h"
#include "test/support/support_analysis.h"

enum { VOCAB = 700, WIDTH = 24, LATENTS = 37 }; /* two full blocks of tokens, and a part */

static struct {
	float head[VOCAB * WIDTH], gain[WIDTH], dec[LATENTS * WIDTH];
} data;

static int head_rows(void *self, size_t first, size_t rows, ps_weight *out, ps_diag *diag)
{
	(void)self;
	(void)diag;
	*out = (ps_weight){
		.data = data.head + first * WIDTH, .dtype = PS_F32, .rows = rows, .cols = WIDTH};
	return 0;
}

static int final_norm(void *self, float *out, ps_diag *diag)
{
	(void)self;
	(void)diag;
	memcpy(out, data.gain, sizeof data.gain);
	return 0;
}

static double logit_of(size_t latent, size_t token, double unit)
{
	double sum = 0;

	for (size_t d = 0; d < WIDTH; d++)
		sum += (double)data.head[token * WIDTH + d] * ((double)data.gain[d] + unit) *
		       (double)data.dec[latent * WIDTH + d];
	return sum;
}

/* Tokens that come before `token` in this order: larger ones, or smaller ones. */
static size_t rank_of(size_t latent, size_t token, double unit, double sign)
{
	const double own = sign * logit_of(latent, token, unit);
	size_t rank = 0;

	for (size_t v = 0; v < VOCAB; v++) {
		const double other = sign * logit_of(latent, v, unit);

		rank += other > own || (other == own && v < token);
	}
	return rank;
}

static void check(ps_family family, double unit)
{
	const ps_model_config config = {.family = family, .vocab = VOCAB, .width = WIDTH};
	const ps_weight_source source = {.head_rows = head_rows, .final_norm = final_norm};
	const ps_promoted_input input = {.config = &config,
					 .source = &source,
					 .precision = PS_PRECISION_F32,
					 .dec = data.dec,
					 .latents = LATENTS};
	analysis_bench bench;
	ps_promoted out;
	ps_arena arena;

	analysis_open(&bench, 2);
	assert_int_equal(ps_arena_create(&arena,
					 ps_promoted_bytes(&config, PS_PRECISION_F32, LATENTS, 2),
					 &bench.diag),
			 0);
	assert_int_equal(ps_promoted_find(&input, &bench.context, &arena, &out), 0);
	for (size_t j = 0; j < LATENTS; j++)
		for (int e = 0; e < PS_PROMOTED_ENDS; e++)
			for (size_t i = 0; i < PS_PROMOTED_TOKENS; i++) {
				const size_t token = (size_t)out.token[j][e][i];

				assert_true(token < VOCAB);
				assert_int_equal(rank_of(j, token, unit, e ? -1 : 1), i);
				assert_true(fabs((double)out.logit[j][e][i] -
						 logit_of(j, token, unit)) < 1e-6);
			}
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static void the_tokens_are_those_of_all_logits(void **state)
{
	(void)state;
	analysis_fill_matrix(data.head, VOCAB * WIDTH, 31, 0);
	analysis_fill_matrix(data.gain, WIDTH, 32, 0);
	analysis_fill_matrix(data.dec, LATENTS * WIDTH, 33, 0);
	/* Equal rows of the head: equal logits go to the lower id. */
	memcpy(data.head + 600 * WIDTH, data.head + 5 * WIDTH, WIDTH * sizeof(float));
	check(PS_FAMILY_LLAMA, 0);
	check(PS_FAMILY_GEMMA3, 1); /* its norm's gain is 1 + the weight */
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_tokens_are_those_of_all_logits)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
