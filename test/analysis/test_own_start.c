/* analysis/own_start: decoders that are known mixtures of their start and of other directions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/own_start.h"
#include "sae/start.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

enum { LATENTS = 101, WIDTH = 64, SEED = 7 };

static void measure(float *dec, uint64_t seed, int threads, ps_own_start *out)
{
	const ps_sae sae = {.d_in = WIDTH, .d_sae = LATENTS, .dec = dec};
	analysis_bench bench;
	ps_arena arena;

	analysis_open(&bench, threads);
	assert_int_equal(
		ps_arena_create(&arena, ps_own_start_bytes(LATENTS, WIDTH, threads), &bench.diag),
		0);
	assert_int_equal(ps_own_start_measure(&sae, seed, &bench.context, &arena, out), 0);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

/* Fills row j with a direction whose cosine with its start is j / 100: that share of the start, and
 * the rest at a right angle to it. */
static void fill(float dec[LATENTS * WIDTH])
{
	float start[WIDTH], other[WIDTH];

	for (size_t j = 0; j < LATENTS; j++) {
		const double c = (double)j / 100, s = sqrt(1 - c * c);
		double dot = 0, square = 0;

		ps_start_direction(SEED, j, WIDTH, 1, start);
		ps_start_direction(SEED + 1, j, WIDTH, 1, other);
		for (size_t i = 0; i < WIDTH; i++)
			dot += (double)start[i] * (double)other[i];
		for (size_t i = 0; i < WIDTH; i++) {
			other[i] = (float)((double)other[i] - dot * (double)start[i]);
			square += (double)other[i] * (double)other[i];
		}
		for (size_t i = 0; i < WIDTH; i++)
			dec[j * WIDTH + i] = (float)(3 * (c * (double)start[i] +
							  s * (double)other[i] / sqrt(square)));
	}
}

static void planted_cosines_are_found(void **state)
{
	float dec[LATENTS * WIDTH];
	ps_own_start out, threaded;
	closeness c = {0};

	(void)state;
	fill(dec);
	measure(dec, SEED, 1, &out);
	for (int i = 0; i < PS_DECILES; i++)
		closeness_add(&c, out.decile[i], 0.1 * i, 1);
	assert_closeness(&c, "deciles", 1e-6);
	/* At tau = 0.7 and above every planted row is nearer to its own start than to any other. */
	for (int t = PS_TAU_MAIN; t < PS_TAUS; t++)
		assert_true(fabs(out.survival[t] * LATENTS - (101 - 100 * ps_taus[t])) < 1.01);
	measure(dec, SEED, 3, &threaded);
	assert_memory_equal(&out, &threaded, sizeof out);
}

/* The cosine of every latent, whatever the threads. */
static void each_latent_has_its_cosine(void **state)
{
	float dec[LATENTS * WIDTH];
	const ps_sae sae = {.d_in = WIDTH, .d_sae = LATENTS, .dec = dec};
	closeness c = {0};

	(void)state;
	fill(dec);
	for (int threads = 1; threads <= 3; threads += 2) {
		double cosine[LATENTS];
		analysis_bench bench;
		ps_arena arena;

		analysis_open(&bench, threads);
		assert_int_equal(ps_arena_create(&arena, ps_own_start_cosines_bytes(WIDTH, threads),
						 &bench.diag),
				 0);
		ps_own_start_cosines(&sae, SEED, &bench.context, &arena, cosine);
		for (size_t j = 0; j < LATENTS; j++)
			closeness_add(&c, cosine[j], (double)j / 100, 1);
		ps_arena_destroy(&arena);
		analysis_close(&bench);
	}
	assert_closeness(&c, "cosines", 1e-6);
}

static void an_untrained_decoder_is_its_start(void **state)
{
	float dec[LATENTS * WIDTH];
	ps_own_start out;

	(void)state;
	for (size_t j = 0; j < LATENTS; j++)
		ps_start_direction(SEED, j, WIDTH, 0.5, dec + j * WIDTH);
	measure(dec, SEED, 2, &out);
	for (int t = 0; t < PS_TAUS; t++)
		assert_true(out.survival[t] == 1);
	assert_true(out.decile[0] > 1 - 1e-6);
	/* Of another seed nothing survives. */
	measure(dec, SEED + 1, 2, &out);
	assert_true(out.survival[PS_TAU_MAIN] == 0);
	assert_true(out.decile[5] < 0.1);
}

static void a_row_of_zeros_points_nowhere(void **state)
{
	float dec[LATENTS * WIDTH];
	ps_own_start out;

	(void)state;
	fill(dec);
	memset(dec + (LATENTS - 1) * WIDTH, 0, WIDTH * sizeof *dec);
	measure(dec, SEED, 1, &out);
	assert_true(out.decile[0] == 0);
	assert_true(fabs(out.decile[PS_DECILES - 1] - 0.99) < 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(planted_cosines_are_found),
		cmocka_unit_test(each_latent_has_its_cosine),
		cmocka_unit_test(an_untrained_decoder_is_its_start),
		cmocka_unit_test(a_row_of_zeros_points_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
