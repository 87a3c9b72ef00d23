/* tools/study/rates, sae_rates, estimate, correction: estimates follow the work, and are near to
 * what runs take.
 *
 * Other work may share the machine and disturb a short measurement. Where an estimate and a run
 * differ too much, both are made again. A wrong estimate fails every time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "test/support/support_clock.h"
#include "test/support/support_sys_double.h"
#include "tools/cmd/commands.h"
#include "tools/study/correction.h"
#include "tools/study/estimate.h"

#define MODEL "demo/models/llama"
#define TEXT "docs/ARCHITECTURE.md" /* some thousand tokens */
#define FACTOR_MAX 3.0

enum { TRIES = 6, WINDOW = 64, PPL_WINDOW = 128, STRIDE = 32, LATENTS = 512, K = 16, BATCH = 256 };

static char scratch[256], tokens[400], mask[400], cache[400], sae_path[400];
static ps_session s;
static size_t windows; /* of the token file */
static ps_model_rates rates;
static ps_sae_rates sae;

static ps_train_args train_args(void)
{
	ps_train_args args = ps_train_args_default();

	args.cache = cache;
	args.out = sae_path;
	args.d_sae = (ps_int_list){1, {LATENTS}};
	args.k = (ps_int_list){1, {K}};
	args.batch = BATCH;
	args.tokens = 100 * BATCH;
	args.replace = true;
	return args;
}

static void measure(void)
{
	const ps_train_args args = train_args();
	ps_train_options options;

	ps_model_rates_close(&rates);
	assert_int_equal(ps_model_rates_measure(&s,
						&(ps_rates_question){.model = MODEL,
								     .text = TEXT,
								     .out = cache,
								     .window = WINDOW,
								     .ppl_window = PPL_WINDOW,
								     .magnitude = {.sparsity = 0.5},
								     .wanda = {.sparsity = 0.5}},
						&rates),
			 0);
	assert_int_equal(ps_train_options_make(&args, rates.costs.config.width, windows * WINDOW,
					       LATENTS, K, &options, &s.diag),
			 0);
	assert_int_equal(ps_sae_rates_measure(&s, &options, rates.costs.config.width, &sae), 0);
}

static int set_up(void **state)
{
	json_t *result = NULL;

	(void)state;
	clock_counts_work = true;
	scratch_make(scratch, sizeof scratch);
	snprintf(tokens, sizeof tokens, "%s/tokens", scratch);
	snprintf(mask, sizeof mask, "%s/mask", scratch);
	snprintf(cache, sizeof cache, "%s/cache", scratch);
	snprintf(sae_path, sizeof sae_path, "%s/sae", scratch);
	s = (ps_session){
		.threads = 1, .json = true, .quiet = true, .memory_bytes = (size_t)1 << 30};
	s.started = ps_clock();
	if (ps_session_start(&s) || ps_run_tokenize(&s,
						    &(ps_tokenize_args){.model = MODEL,
									.out = tokens,
									.texts = {1, {TEXT}},
									.window = WINDOW},
						    &result))
		return -1;
	windows = (size_t)json_integer_value(json_object_get(result, "windows"));
	json_decref(result);
	measure();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ps_model_rates_close(&rates);
	ps_session_end(&s);
	scratch_remove(scratch);
	return 0;
}

/* --- estimates against runs --- */

typedef double (*estimate_fn)(void);
typedef int (*command_fn)(json_t **result);

static void remove_path(const char *path)
{
	char command[500];

	snprintf(command, sizeof command, "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

/* output: removed before each run, which would else find it done; NULL: none. */
static void expect_close(const char *what, estimate_fn estimate, command_fn command,
			 const char *output)
{
	double expected = 0, taken = 0;

	for (int i = 0; i < TRIES; i++) {
		json_t *result = NULL;

		if (i)
			measure();
		if (output)
			remove_path(output);
		expected = estimate();
		taken = ps_clock();
		assert_int_equal(command(&result), 0);
		taken = ps_clock() - taken;
		json_decref(result);
		if (expected / taken < FACTOR_MAX && taken / expected < FACTOR_MAX) {
			print_message("%s: expected %.3f s, taken %.3f s\n", what, expected, taken);
			return;
		}
	}
	fail_msg("%s: expected %.3f s, taken %.3f s", what, expected, taken);
}

static int run_ppl(json_t **result)
{
	const ps_ppl_args args = {
		.model = MODEL, .text = TEXT, .window = PPL_WINDOW, .stride = STRIDE};

	return ps_run_ppl(&s, (const ps_ppl_args *[]){&args}, 1, result);
}

static ps_ppl_work ppl_work(void)
{
	FILE *text = fopen(TEXT, "r");
	long bytes;

	assert_non_null(text);
	assert_int_equal(fseek(text, 0, SEEK_END), 0);
	bytes = ftell(text);
	fclose(text);
	return (ps_ppl_work){.variants = 1,
			     .tokens = ps_tokens_of_text(&rates, (double)bytes),
			     .window = PPL_WINDOW,
			     .stride = STRIDE};
}

static double estimate_ppl(void)
{
	const ps_ppl_work work = ppl_work();

	return ps_seconds_ppl(&rates, &work);
}

static void perplexity_takes_what_is_estimated(void **state)
{
	(void)state;
	expect_close("ppl", estimate_ppl, run_ppl, NULL);
}

static int run_wanda(json_t **result)
{
	const ps_prune_args args = {
		.model = MODEL, .method = "wanda", .sparsity = 0.5, .tokens = tokens, .out = mask};

	return ps_run_prune(&s, (const ps_prune_args *[]){&args}, 1, result);
}

static double estimate_wanda(void)
{
	return ps_seconds_wanda(
		&rates, &(ps_wanda_work){.windows = windows, .masks = 1, .sequential = true});
}

static void a_wanda_mask_takes_what_is_estimated(void **state)
{
	(void)state;
	expect_close("prune", estimate_wanda, run_wanda, mask);
}

static int run_cache(json_t **result)
{
	return ps_run_cache(&s,
			    &(ps_cache_args){.model = MODEL,
					     .tokens = tokens,
					     .dtype = "f32",
					     .order = "sequence",
					     .layers = {1, {3}},
					     .variant_count = 1,
					     .variants = {{NULL, cache}},
					     .replace = true},
			    result);
}

static double estimate_cache(void)
{
	return ps_seconds_cache(&rates,
				&(ps_cache_work){.windows = windows, .layer = 3, .variants = 1});
}

static void a_cache_takes_what_is_estimated(void **state)
{
	(void)state;
	expect_close("cache", estimate_cache, run_cache, cache);
}

static int run_train(json_t **result)
{
	const ps_train_args args = train_args();

	return ps_run_train(&s, &args, result);
}

static double estimate_train(void)
{
	return ps_seconds_train(&sae, &rates.writing, (double)(windows * WINDOW), 100 * BATCH);
}

/* After the cache's test, whose output it reads. */
static void training_takes_what_is_estimated(void **state)
{
	(void)state;
	expect_close("train", estimate_train, run_train, sae_path);
}

static int run_splice(json_t **result)
{
	return ps_run_eval(
		&s, &(ps_eval_args){.sae = sae_path, .model = MODEL, .tokens = tokens, .layer = 3},
		result);
}

static double estimate_splice(void)
{
	return ps_seconds_splice(&rates, &sae, &(ps_splice_work){.windows = windows, .layer = 3});
}

static void a_spliced_loss_takes_what_is_estimated(void **state)
{
	(void)state;
	expect_close("splice", estimate_splice, run_splice, NULL);
}

/* --- estimates follow the work --- */

static void twice_the_work_takes_nearly_twice_as_long(void **state)
{
	const ps_cache_work one = {.windows = 1000, .layer = 3, .variants = 1},
			    two = {.windows = 1000, .layer = 3, .variants = 2};
	const ps_ppl_work few = {.tokens = 1e5, .window = PPL_WINDOW, .stride = PPL_WINDOW},
			  many = {.tokens = 1e5, .window = PPL_WINDOW, .stride = PPL_WINDOW / 2};
	double ratio = ps_seconds_cache(&rates, &two) / ps_seconds_cache(&rates, &one);

	(void)state;
	assert_true(ratio > 1.8 && ratio < 2.1);
	ratio = ps_seconds_ppl(&rates, &many) / ps_seconds_ppl(&rates, &few);
	assert_true(ratio > 1.2 && ratio < 2.1);
	ratio = ps_seconds_transfer(&sae, 2e5, 0, 0) / ps_seconds_transfer(&sae, 1e5, 0, 0);
	assert_true(ratio > 1.99 && ratio < 2.01);
	ratio = ps_seconds_seeds(&sae, 4) / ps_seconds_seeds(&sae, 2);
	assert_true(ratio > 5.99 && ratio < 6.01);
}

/* Counted on Gemma 3 270M: 155 of 200 pairs of 25 latents and 8 windows. */
static void ablated_latents_fire_in_most_windows(void **state)
{
	const ps_sae_rates trained = {.options = {.k = 64, .d_sae = 5120}};

	(void)state;
	assert_true(fabs(ps_firing_share(&trained, 256, 8) - 155.0 / 200) < 0.03);
	assert_true(fabs(ps_firing_share(&trained, 256, 1) - 1) < 1e-12);
	assert_true(ps_firing_share(&trained, 256, 64) < ps_firing_share(&trained, 256, 8));
}

static void every_estimate_is_a_positive_number(void **state)
{
	const ps_ablate_work ablate = {
		.latents = 10, .windows = 4, .layer = 3, .share = ps_firing_share(&sae, WINDOW, 4)};
	const ps_survival_work survival = {.dense = 2,
					   .pruned = 1,
					   .conditions = 3,
					   .rows = 1e4,
					   .windows = 100,
					   .samples = 1000};
	const double seconds[] = {ps_seconds_tokenize(&rates, 0, 1e5),
				  ps_seconds_magnitude(&rates, 1),
				  estimate_wanda(),
				  ps_seconds_train(&sae, NULL, 1e5, 1e5),
				  ps_seconds_ablate(&rates, &sae, &ablate),
				  ps_seconds_survival(&sae, &survival),
				  ps_seconds_report(10)};

	(void)state;
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
		assert_true(seconds[i] > 0 && isfinite(seconds[i]));
	assert_true(ablate.share > 0 && ablate.share < 1);
}

static void memory_is_what_the_command_plans(void **state)
{
	const ps_ppl_work work = ppl_work();
	const ps_memory memory = ps_memory_ppl(&rates, &work);
	const ps_ppl_args args = {.model = MODEL,
				  .text = TEXT,
				  .window = PPL_WINDOW,
				  .stride = STRIDE,
				  .dry_run = true};
	json_t *result = NULL;
	double planned;

	(void)state;
	assert_int_equal(ps_run_ppl(&s, (const ps_ppl_args *[]){&args}, 1, &result), 0);
	planned = json_number_value(json_object_get(result, "planned_bytes"));
	json_decref(result);
	assert_true(fabs((double)memory.planned / planned - 1) < 0.02);
	assert_true(memory.least <= memory.planned && memory.planned <= memory.wanted);
}

/* --- the correction --- */

static void nothing_finished_corrects_nothing(void **state)
{
	const ps_correction none = {0};

	(void)state;
	assert_true(fabs(ps_correction_factor(&none, 3) - 1) < 1e-12);
}

static void a_kind_follows_what_its_finished_steps_took(void **state)
{
	ps_correction c = {0};
	double before = 1;

	(void)state;
	for (int i = 0; i < 20; i++) {
		ps_correction_add(&c, 2, 100, 30);
		assert_true(ps_correction_factor(&c, 2) < before);
		before = ps_correction_factor(&c, 2);
		if (!i)
			assert_true(before < 0.65);
	}
	assert_true(fabs(before - 0.3) < 0.03);
}

static void a_kind_not_yet_seen_takes_after_the_others(void **state)
{
	ps_correction c = {0};

	(void)state;
	for (int i = 0; i < 10; i++) {
		ps_correction_add(&c, 0, 100, 200);
		ps_correction_add(&c, 1, 100, 200);
		ps_correction_add(&c, 2, 100, 200);
	}
	assert_true(ps_correction_factor(&c, 5) > 1.5 && ps_correction_factor(&c, 5) < 2);
	/* One kind that was estimated badly moves it less than it moves itself. */
	for (int i = 0; i < 10; i++)
		ps_correction_add(&c, 3, 100, 1000);
	assert_true(ps_correction_factor(&c, 5) < 3.5);
	assert_true(ps_correction_factor(&c, 3) > 8);
}

static void short_steps_say_little(void **state)
{
	ps_correction c = {0};

	(void)state;
	ps_correction_add(&c, 0, 0.01, 0.1);
	assert_true(ps_correction_factor(&c, 0) < 1.15);
	assert_true(ps_correction_factor(&c, 1) < 1.01);
}

static void a_laptop_that_slept_does_not_spoil_the_factor(void **state)
{
	ps_correction c = {0};

	(void)state;
	ps_correction_add(&c, 0, 1, 36000);
	assert_true(ps_correction_factor(&c, 0) <= 20);
	for (int i = 0; i < 60; i++)
		ps_correction_add(&c, 0, 1, 1);
	assert_true(ps_correction_factor(&c, 0) < 1.4);
}

static void what_is_no_time_is_passed_over(void **state)
{
	ps_correction c = {0};

	(void)state;
	ps_correction_add(&c, 0, 0, 10);
	ps_correction_add(&c, 0, 10, -1);
	ps_correction_add(&c, 0, (double)NAN, 10);
	ps_correction_add(&c, 0, 10, (double)INFINITY);
	assert_true(fabs(ps_correction_factor(&c, 0) - 1) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(perplexity_takes_what_is_estimated),
		cmocka_unit_test(a_wanda_mask_takes_what_is_estimated),
		cmocka_unit_test(a_cache_takes_what_is_estimated),
		cmocka_unit_test(training_takes_what_is_estimated),
		cmocka_unit_test(a_spliced_loss_takes_what_is_estimated),
		cmocka_unit_test(twice_the_work_takes_nearly_twice_as_long),
		cmocka_unit_test(ablated_latents_fire_in_most_windows),
		cmocka_unit_test(every_estimate_is_a_positive_number),
		cmocka_unit_test(memory_is_what_the_command_plans),
		cmocka_unit_test(nothing_finished_corrects_nothing),
		cmocka_unit_test(a_kind_follows_what_its_finished_steps_took),
		cmocka_unit_test(a_kind_not_yet_seen_takes_after_the_others),
		cmocka_unit_test(short_steps_say_little),
		cmocka_unit_test(a_laptop_that_slept_does_not_spoil_the_factor),
		cmocka_unit_test(what_is_no_time_is_passed_over),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
