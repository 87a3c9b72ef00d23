/* sae/train: what all architectures share: exact resuming, frozen directions, saved state, starts,
 * schedules, refusals. test_train_gradients has their gradients. */
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
#include "sae/evaluate.h"
#include "sae/recipe.h"
#include "sae/schedule.h"
#include "sae/sparse.h"
#include "test/support/support_close.h"
#include "test/support/support_trainer.h"

enum { D = TINY_WIDTH, F = TINY_LATENTS, B = TINY_BATCH, K = TINY_K };

/* --- exactness --- */

enum { WIDTH = 33, MANY = 500, STEPS = 30 };

static ps_train_options small(ps_train_arch arch, ps_recipe recipe)
{
	ps_train_options o = {.arch = arch,
			      .d_sae = 150,
			      .k = 6,
			      .batch = 48,
			      .tokens = 48 * STEPS,
			      .init_seed = 7,
			      .data_seed = 42};
	ps_diag diag = {{0}};

	assert_int_equal(ps_recipe_apply(recipe, &o, &diag), 0);
	o.lr = 2e-3;
	o.dead_after_tokens = 200;
	o.resample_tokens = arch == PS_TRAIN_RELU || arch == PS_TRAIN_GATED ? 400 : 0;
	if (arch == PS_TRAIN_BATCHTOPK) {
		o.k_start = 20;
		o.k_fraction = 0.5;
	}
	return o;
}

static float *make_rows(uint64_t seed)
{
	float *rows = malloc(MANY * WIDTH * sizeof *rows),
	      *direction = malloc(60 * WIDTH * sizeof *direction);
	ps_rng rng = ps_rng_make(seed, 1);

	fill_normal(direction, 60 * WIDTH, 1 / sqrt(WIDTH), seed);
	for (size_t r = 0; r < MANY; r++) {
		for (size_t i = 0; i < WIDTH; i++)
			rows[r * WIDTH + i] = 0.3f;
		for (size_t a = 0; a < 3; a++) {
			const float *chosen = direction + ps_rng_below(&rng, 60) * WIDTH;
			const float weight = (float)(1 + 3 * ps_rng_uniform(&rng));

			for (size_t i = 0; i < WIDTH; i++)
				rows[r * WIDTH + i] += weight * chosen[i];
		}
	}
	free(direction);
	return rows;
}

/* One run is whole, with two threads. The other is in two parts, with one and three threads. */
static void every_architecture_resumes_and_threads_to_the_same_bits(void **state)
{
	float *rows = make_rows(1);

	(void)state;
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		for (int recipe = 0; recipe <= PS_RECIPE_SAELENS; recipe += 2) {
			const ps_train_options o = small((ps_train_arch)arch, (ps_recipe)recipe);
			trainer_run whole, first, second;
			ps_train_step last = {0};

			trainer_run_open(&whole, rows, MANY, WIDTH, &o, 2);
			for (int i = 0; i < STEPS; i++)
				last = trainer_run_step(&whole);
			trainer_run_open(&first, rows, MANY, WIDTH, &o, 1);
			for (int i = 0; i < 13; i++)
				trainer_run_step(&first);
			trainer_run_open(&second, rows, MANY, WIDTH, &o, 3);
			copy_trainer_state(first.trainer, second.trainer);
			assert_int_equal(ps_trainer_resume(second.trainer), 0);
			for (int i = 13; i < STEPS; i++)
				trainer_run_step(&second);
			assert_same_state(&whole, &second);
			print_message("architecture %d, %s: fvu %.4f, l0 %.1f, dead %.3f\n", arch,
				      ps_recipe_names[recipe], last.fvu, last.l0,
				      last.dead_fraction);
			trainer_run_close(&whole);
			trainer_run_close(&first);
			trainer_run_close(&second);
		}
	}
	free(rows);
}

/* --- frozen directions --- */

static ps_train_options frozen(ps_train_arch arch, ps_train_frozen what)
{
	ps_train_options o = small(arch, PS_RECIPE_PRUNESCOPE);

	o.resample_tokens = 0;
	o.clip = 0;
	o.frozen = what;
	return o;
}

/* Takes a step, then ten more, of a run that trains everything and of a frozen one. After the first
 * step the other half is the free run's, because its gradient does not depend on what is frozen. */
static void check_frozen(const float *rows, ps_train_arch arch, ps_train_frozen what)
{
	const bool decoder = what == PS_FROZEN_DECODER;
	const ps_train_options o[] = {frozen(arch, PS_FROZEN_NOTHING), frozen(arch, what)};
	const char *kept = decoder ? "dec" : "enc", *trained = decoder ? "enc" : "dec";
	const size_t bytes = o->d_sae * WIDTH * sizeof(float);
	float *start = malloc(bytes);
	trainer_run free_run, run;

	assert_non_null(start);
	trainer_run_open(&free_run, rows, MANY, WIDTH, &o[0], 2);
	trainer_run_open(&run, rows, MANY, WIDTH, &o[1], 1);
	memcpy(start, trainer_run_part(&run, kept), bytes);
	trainer_run_step(&free_run);
	trainer_run_step(&run);
	assert_memory_equal(trainer_run_part(&run, trained), trainer_run_part(&free_run, trained),
			    bytes);
	assert_memory_equal(trainer_run_part(&run, "b_enc"), trainer_run_part(&free_run, "b_enc"),
			    o->d_sae * sizeof(float));
	assert_memory_not_equal(trainer_run_part(&free_run, kept), start, bytes);
	for (int i = 0; i < 10; i++)
		trainer_run_step(&run);
	assert_memory_equal(trainer_run_part(&run, kept), start, bytes);
	assert_memory_not_equal(trainer_run_part(&run, trained), start, bytes);
	trainer_run_close(&free_run);
	trainer_run_close(&run);
	free(start);
}

static void what_is_frozen_keeps_its_start_and_the_rest_is_trained(void **state)
{
	float *rows = make_rows(3);

	(void)state;
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		check_frozen(rows, (ps_train_arch)arch, PS_FROZEN_DECODER);
		check_frozen(rows, (ps_train_arch)arch, PS_FROZEN_ENCODER);
	}
	free(rows);
}

/* The clipped gradients' norm, from Adam's means after the first step. */
static double clipped_norm(trainer_run *run, const ps_train_options *o)
{
	static const char *const means[] = {"enc_m", "dec_m", "b_enc_m", "b_dec_m"};
	double square = 0;

	trainer_run_step(run);
	for (size_t i = 0; i < run->parts; i++)
		for (size_t m = 0; m < sizeof means / sizeof *means; m++)
			if (!strcmp(run->part[i].name, means[m]))
				square += ps_squared_norm(run->part[i].data,
							  run->part[i].bytes / sizeof(float));
	return sqrt(square) / (1 - o->adam.beta1);
}

/* What is frozen has no gradient, so the norm to which gradients are clipped is that of the
 * others. */
static void a_frozen_half_does_not_count_for_clipping(void **state)
{
	const ps_train_frozen half[] = {PS_FROZEN_DECODER, PS_FROZEN_ENCODER};
	float *rows = make_rows(3);

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (int arch = 0; arch <= PS_TRAIN_BATCHTOPK; arch++) {
			ps_train_options o = frozen((ps_train_arch)arch, half[i]);
			closeness c = {0};
			trainer_run run;

			o.clip = 1e-3;
			trainer_run_open(&run, rows, MANY, WIDTH, &o, 1);
			closeness_add(&c, clipped_norm(&run, &o), o.clip, 1);
			assert_closeness(&c, "clipped norm", 1e-5);
			trainer_run_close(&run);
		}
	free(rows);
}

static void nothing_is_frozen_and_resampled(void **state)
{
	ps_train_options o = frozen(PS_TRAIN_RELU, PS_FROZEN_ENCODER);
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_train_options_check(&o, WIDTH, &diag), 0);
	o.resample_tokens = 400;
	assert_int_equal(ps_train_options_check(&o, WIDTH, &diag), PS_EUSAGE);
	assert_non_null(strstr(diag.text, "frozen"));
}

/* --- what is saved --- */

/* Saved states of older versions are resumed: names and order of the arrays must not change. */
static void the_arrays_of_a_state_keep_their_names_and_order(void **state)
{
	static const char *const shared[] = {
		"enc",     "dec",     "b_enc", "b_dec",          "enc_m",
		"enc_v",   "dec_m",   "dec_v", "b_enc_m",        "b_enc_v",
		"b_dec_m", "b_dec_v", "scale", "threshold_mean", "since_fired",
		"step"};
	static const char *const extra[][7] = {
		[PS_TRAIN_JUMPRELU] = {"threshold", "threshold_m", "threshold_v"},
		[PS_TRAIN_GATED] = {"r_mag", "r_mag_m", "r_mag_v", "b_mag", "b_mag_m", "b_mag_v"},
	};
	float x[B * D];

	(void)state;
	fill_normal(x, B * D, 1, 8);
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		const ps_train_options o = tiny_options((ps_train_arch)arch);
		size_t at = 0;
		trainer_run run;

		trainer_run_open(&run, x, B, D, &o, 1);
		for (; at < sizeof shared / sizeof *shared; at++)
			assert_string_equal(run.part[at].name, shared[at]);
		for (size_t i = 0; extra[arch][i]; i++)
			assert_string_equal(run.part[at++].name, extra[arch][i]);
		assert_int_equal(run.parts, at);
		trainer_run_close(&run);
	}
}

/* Compares the exported SAE on raw rows with the trainer's report of the last step, whose batch
 * holds all rows. */
static void the_exported_sae_reconstructs_as_the_trained_one(void **state)
{
	float *rows = make_rows(2);

	(void)state;
	for (int arch = 0; arch <= PS_TRAIN_GATED; arch++) {
		for (int recipe = 0; recipe <= PS_RECIPE_SAELENS; recipe += 2) {
			ps_train_options o = small((ps_train_arch)arch, (ps_recipe)recipe);
			ps_evaluation evaluation;
			ps_train_step last = {0};
			trainer_run run;
			double share;
			workspace w;
			ps_sae sae;

			/* As many latents as a row has directions. Then few values lie near
			 * batchtopk's threshold. */
			o.k = 3;
			o.batch = MANY;
			o.tokens = 300 * MANY;
			o.resample_tokens = o.k_start = 0;
			o.dead_after_tokens = 0;
			o.decay_fraction = 1;
			o.threshold_rate = 1;
			trainer_run_open(&run, rows, MANY, WIDTH, &o, 2);
			for (int i = 0; i < 300; i++)
				last = trainer_run_step(&run);
			workspace_open(&w, 2, 64 << 20);
			assert_int_equal(ps_sae_create(&sae, ps_train_saved_arch(o.arch), WIDTH,
						       150, o.k, &w.arena, &w.diag),
					 0);
			ps_trainer_export(run.trainer, &sae);
			assert_int_equal(ps_evaluate_rows(&sae, &run.rows.source, &run.rows.list,
							  &w.context, &w.arena, &evaluation, NULL),
					 0);
			print_message("architecture %d, %s: fvu %.5f trained, %.5f saved; l0 %.2f, "
				      "%.2f\n",
				      arch, ps_recipe_names[recipe], last.fvu, evaluation.fvu,
				      last.l0, evaluation.l0);
			/* The saved threshold of batchtopk is an average over batches. */
			share = arch == PS_TRAIN_BATCHTOPK ? 0.02 : 5e-3;
			assert_near(evaluation.fvu, last.fvu, share * last.fvu);
			assert_near(evaluation.l0, last.l0, share * last.l0);
			workspace_close(&w);
			trainer_run_close(&run);
		}
	}
	free(rows);
}

/* --- starts, schedules, refusals --- */

static void the_median_withstands_outliers(void **state)
{
	ps_train_options o = tiny_options(PS_TRAIN_TOPK);
	float x[200 * D];
	closeness c = {0};
	trainer_run run;

	(void)state;
	o.batch = 200;
	o.tokens = 200;
	o.b_dec = PS_B_DEC_MEDIAN;
	fill_normal(x, 200 * D, 0.01, 5);
	for (size_t r = 0; r < 200; r++)
		for (size_t d = 0; d < D; d++)
			x[r * D + d] += r % 5 ? (float)d : 1e4f;
	trainer_run_open(&run, x, 200, D, &o, 1);
	for (size_t d = 0; d < D; d++)
		closeness_add(&c,
			      trainer_run_floats(&run, "b_dec")[d] /
				      *trainer_run_floats(&run, "scale"),
			      (double)d, 1);
	assert_closeness(&c, "median with a fifth of the rows at 10,000", 0.012);
	trainer_run_close(&run);
}

static void resampling_revives_dead_latents(void **state)
{
	float *rows = make_rows(3);
	ps_train_options o = small(PS_TRAIN_RELU, PS_RECIPE_PRUNESCOPE);
	float *enc, *b_enc, *dec;
	trainer_run run;

	(void)state;
	o.dead_after_tokens = 48 * 4;
	o.resample_tokens = 48 * 5;
	trainer_run_open(&run, rows, MANY, WIDTH, &o, 1);
	enc = trainer_run_part(&run, "enc"), b_enc = trainer_run_part(&run, "b_enc"),
	dec = trainer_run_part(&run, "dec");
	for (size_t j = 0; j < 20; j++)
		b_enc[j] = -1e3f;
	for (int i = 0; i < 4; i++)
		assert_true(trainer_run_step(&run).step < 5 && b_enc[7] < -100);
	assert_true(trainer_run_step(&run).dead_fraction >= 20.0 / 150);
	for (size_t j = 0; j < 20; j++) {
		double enc_norm = 0, dec_norm = 0, along = 0;

		assert_true(b_enc[j] == 0 &&
			    ((uint64_t *)trainer_run_part(&run, "since_fired"))[j] == 0);
		for (size_t d = 0; d < WIDTH; d++) {
			enc_norm += (double)enc[j * WIDTH + d] * enc[j * WIDTH + d];
			dec_norm += (double)dec[j * WIDTH + d] * dec[j * WIDTH + d];
			along += (double)enc[j * WIDTH + d] * dec[j * WIDTH + d];
			assert_true(trainer_run_floats(&run, "enc_m")[j * WIDTH + d] == 0);
		}
		assert_near(dec_norm, 1, 1.5e-7);
		assert_near(along / sqrt(enc_norm), 1, 1.5e-7);
	}
	trainer_run_close(&run);
	free(rows);
}

static void schedules_are_what_they_say(void **state)
{
	ps_train_options o = tiny_options(PS_TRAIN_BATCHTOPK);

	(void)state;
	o.lr = 2;
	o.warmup_fraction = 0.1;
	o.decay_fraction = 0.5;
	o.lr_end = 0.1;
	assert_near(ps_schedule_rate(&o, 0, 100), 0.2, 1e-15);
	assert_near(ps_schedule_rate(&o, 9, 100), 2, 1e-15);
	assert_near(ps_schedule_rate(&o, 50, 100), 2, 1e-15);
	assert_near(ps_schedule_rate(&o, 75, 100), 1.1, 1e-15);
	o.decay = PS_DECAY_COSINE;
	assert_near(ps_schedule_rate(&o, 75, 100), 1.1, 1e-15);
	assert_near(ps_schedule_rate(&o, 60, 100), 0.2 + 1.8 * (1 + cos(M_PI / 5)) / 2, 1e-15);
	o.sparsity_warmup = 0.5;
	assert_true(ps_schedule_sparsity(&o, 0, 100) == 0);
	assert_near(ps_schedule_sparsity(&o, 25, 100), 0.15, 1e-15);
	assert_true(ps_schedule_sparsity(&o, 50, 100) == 0.3);
	o.k_start = 8;
	o.k_fraction = 0.5;
	assert_int_equal(ps_schedule_k(&o, 0, 100), 8);
	assert_int_equal(ps_schedule_k(&o, 25, 100), 5);
	assert_int_equal(ps_schedule_k(&o, 50, 100), K);
	assert_int_equal(ps_schedule_k_max(&o), 8);
}

static void options_that_do_not_fit_are_refused(void **state)
{
	ps_train_options o = tiny_options(PS_TRAIN_JUMPRELU);
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_train_options_check(&o, D, &diag), 0);
	o.auxk_coefficient = 0.1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = tiny_options(PS_TRAIN_JUMPRELU), o.bandwidth = 0;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = tiny_options(PS_TRAIN_JUMPRELU), o.l0_penalty = PS_L0_TARGET, o.target_l0 = F + 1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = tiny_options(PS_TRAIN_RELU), o.sparsity = -1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = tiny_options(PS_TRAIN_BATCHTOPK), o.threshold_rate = 0;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = tiny_options(PS_TRAIN_TOPK), o.k_start = F + 1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = tiny_options(PS_TRAIN_TOPK), o.adam.beta2 = 1;
	assert_int_equal(ps_train_options_check(&o, D, &diag), PS_EUSAGE);
	o = tiny_options(PS_TRAIN_JUMPRELU);
	assert_int_equal(ps_recipe_apply(PS_RECIPE_SPARSIFY, &o, &diag), PS_EUSAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_architecture_resumes_and_threads_to_the_same_bits),
		cmocka_unit_test(what_is_frozen_keeps_its_start_and_the_rest_is_trained),
		cmocka_unit_test(a_frozen_half_does_not_count_for_clipping),
		cmocka_unit_test(nothing_is_frozen_and_resampled),
		cmocka_unit_test(the_arrays_of_a_state_keep_their_names_and_order),
		cmocka_unit_test(the_exported_sae_reconstructs_as_the_trained_one),
		cmocka_unit_test(the_median_withstands_outliers),
		cmocka_unit_test(resampling_revives_dead_latents),
		cmocka_unit_test(schedules_are_what_they_say),
		cmocka_unit_test(options_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
