/* sae/fold: an SAE with other parameters computes the same. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sae/fold.h"
#include "test/support/support_sae.h"

#define BOUND 1e-6

enum { D = 19, F = 48, K = 5, ROWS = 40 };

static float x[ROWS * D], latents[2][ROWS * F], x_hat[2][ROWS * D];

/* A random SAE in an arena with room for thresholds. */
static void make(ps_sae *sae, ps_arena *arena, ps_sae_arch arch)
{
	assert_int_equal(
		ps_arena_create(arena, ps_sae_bytes(D, F) + F * sizeof(float) + PS_ALIGN, NULL), 0);
	assert_int_equal(ps_sae_create(sae, arch, D, F, K, arena, NULL), 0);
	fill_normal(sae->enc, F * D, 0.3, 1);
	fill_normal(sae->dec, F * D, 0.4, 2);
	fill_normal(sae->b_enc, F, 0.5, 3);
	fill_normal(sae->b_dec, D, 0.7, 4);
	if (sae->threshold)
		fill_normal(sae->threshold, F, 0.3, 5);
	if (arch == PS_SAE_GATED) {
		fill_normal(sae->r_mag, F, 0.5, 6);
		fill_normal(sae->b_mag, F, 0.5, 7);
	}
	fill_normal(x, ROWS * D, 1, 8);
	run_sae(sae, x, ROWS, latents[0], x_hat[0]);
}

/* The SAE computes what it did when it was made. */
static void compare(const char *name, const ps_sae *sae)
{
	double error[2];

	run_sae(sae, x, ROWS, latents[1], x_hat[1]);
	error[0] = largest_error_of_rows(latents[1], latents[0], ROWS, F);
	error[1] = largest_error_of_rows(x_hat[1], x_hat[0], ROWS, D);
	printf("%s: latents differ by %.2g, reconstructions by %.2g\n", name, error[0], error[1]);
	assert_true(error[0] <= BOUND && error[1] <= BOUND);
}

static void b_dec_moves_into_the_bias_and_back(void **state)
{
	static const ps_sae_arch archs[] = {PS_SAE_TOPK, PS_SAE_JUMPRELU, PS_SAE_RELU};
	ps_arena arena;
	ps_sae sae;

	(void)state;
	for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
		make(&sae, &arena, archs[i]);
		assert_false(ps_sae_fold_b_dec(&sae, true));
		assert_true(ps_sae_fold_b_dec(&sae, false));
		assert_false(sae.apply_b_dec_to_input);
		compare("b_dec left out of the input", &sae);
		assert_true(ps_sae_fold_b_dec(&sae, true));
		compare("b_dec taken off the input", &sae);
		ps_arena_destroy(&arena);
	}
}

static void decoder_norms_move_into_the_encoder(void **state)
{
	ps_arena arena;
	ps_sae sae;

	(void)state;
	make(&sae, &arena, PS_SAE_TOPK);
	assert_false(ps_sae_fold_decoder_norm(&sae));
	sae.rescale_by_decoder_norm = true;
	memset(sae.dec + 3 * D, 0, D * sizeof(float)); /* a latent that never counts */
	run_sae(&sae, x, ROWS, latents[0], x_hat[0]);
	assert_true(ps_sae_fold_decoder_norm(&sae));
	assert_false(sae.rescale_by_decoder_norm);
	compare("without the norms of decoder rows", &sae);
	for (size_t d = 0; d < D; d++)
		assert_true(sae.dec[3 * D + d] == 0);
	assert_true(ps_sae_is_finite(&sae));
	ps_arena_destroy(&arena);
}

static void a_gate_becomes_a_threshold(void **state)
{
	ps_arena arena;
	ps_sae sae;

	(void)state;
	make(&sae, &arena, PS_SAE_GATED);
	assert_true(ps_sae_fold_gate(&sae));
	assert_false(ps_sae_fold_gate(&sae));
	assert_int_equal(sae.arch, PS_SAE_JUMPRELU);
	for (size_t f = 0; f < F; f++)
		assert_true(sae.threshold[f] >= 0);
	compare("a gate as a threshold", &sae);
	assert_true(ps_sae_fold_b_dec(&sae, false));
	compare("a gate as a threshold, without b_dec", &sae);
	ps_arena_destroy(&arena);
}

static void relu_and_negative_thresholds_become_thresholds_of_0(void **state)
{
	ps_arena arena;
	ps_sae sae;

	(void)state;
	make(&sae, &arena, PS_SAE_RELU);
	assert_true(ps_sae_fold_relu(&sae, ps_arena_take(&arena, F * sizeof(float))));
	assert_false(ps_sae_fold_relu(&sae, sae.threshold));
	assert_false(ps_sae_fold_thresholds(&sae));
	compare("relu as jumprelu", &sae);
	ps_arena_destroy(&arena);
	make(&sae, &arena, PS_SAE_JUMPRELU);
	assert_true(ps_sae_fold_thresholds(&sae));
	assert_false(ps_sae_fold_thresholds(&sae));
	compare("without negative thresholds", &sae);
	ps_arena_destroy(&arena);
}

static void an_overflow_is_seen(void **state)
{
	ps_arena arena;
	ps_sae sae;

	(void)state;
	make(&sae, &arena, PS_SAE_GATED);
	assert_true(ps_sae_is_finite(&sae));
	sae.r_mag[7] = 200;
	assert_true(ps_sae_fold_gate(&sae));
	assert_false(ps_sae_is_finite(&sae));
	ps_arena_destroy(&arena);
	make(&sae, &arena, PS_SAE_TOPK);
	sae.b_dec[D - 1] = NAN;
	assert_false(ps_sae_is_finite(&sae));
	ps_arena_destroy(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(b_dec_moves_into_the_bias_and_back),
		cmocka_unit_test(decoder_norms_move_into_the_encoder),
		cmocka_unit_test(a_gate_becomes_a_threshold),
		cmocka_unit_test(relu_and_negative_thresholds_become_thresholds_of_0),
		cmocka_unit_test(an_overflow_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
