/* tools/engine/forecast, costs and probe: --dry-run says about what the command then takes.
 *
 * Both are measured in processor time, for other work may share the machine. It still slows caches
 * and memory down: a pair of an estimate and a run that differs too much is therefore tried again.
 * An estimate that is wrong fails every time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "test/support/support_clock.h"
#include "test/support/support_sys_double.h"
#include "tools/cmd/commands.h"
#include "tools/engine/probe.h"

#define MODEL "demo/models/llama"
#define TEXT "docs/ARCHITECTURE.md" /* some thousand tokens */
#define FACTOR_MAX 3.0

enum { TRIES = 6, WINDOW = 64 };

static char scratch[256], tokens[400], out[400];
static ps_session s;

static int set_up(void **state)
{
	json_t *result = NULL;

	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(tokens, sizeof tokens, "%s/tokens", scratch);
	snprintf(out, sizeof out, "%s/out", scratch);
	s = (ps_session){
		.threads = 1, .json = true, .quiet = true, .memory_bytes = (size_t)1 << 30};
	if (ps_session_start(&s))
		return -1;
	if (ps_run_tokenize(
		    &s,
		    &(ps_tokenize_args){
			    .model = MODEL, .out = tokens, .texts = {1, {TEXT}}, .window = WINDOW},
		    &result))
		return -1;
	json_decref(result);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ps_session_end(&s);
	scratch_remove(scratch);
	return 0;
}

/* A command, or its dry run. *result is new. */
typedef int (*command_fn)(bool dry_run, json_t **result);

static double seconds_of(command_fn command, bool dry_run)
{
	json_t *result = NULL;
	double seconds;

	s.started = ps_clock();
	assert_int_equal(command(dry_run, &result), 0);
	seconds = dry_run ? json_number_value(json_object_get(result, "seconds_expected"))
			  : ps_clock() - s.started;
	json_decref(result);
	return seconds;
}

static void expect_close(const char *what, command_fn command)
{
	double expected = 0, taken = 0;

	clock_counts_work = true;
	for (int i = 0; i < TRIES; i++) {
		double ratio;

		expected = seconds_of(command, true);
		taken = seconds_of(command, false);
		ratio = expected / taken;
		if (ratio < FACTOR_MAX && ratio > 1 / FACTOR_MAX) {
			print_message("%s: expected %.3f s, taken %.3f s\n", what, expected, taken);
			return;
		}
	}
	fail_msg("%s: expected %.3f s, taken %.3f s", what, expected, taken);
}

static int ppl(bool dry_run, json_t **result)
{
	const ps_ppl_args args = {.model = MODEL,
				  .text = TEXT,
				  .window = WINDOW,
				  .stride = WINDOW / 4,
				  .dry_run = dry_run};

	return ps_run_ppl(&s, (const ps_ppl_args *[]){&args}, 1, result);
}

static void perplexity_takes_what_its_dry_run_says(void **state)
{
	(void)state;
	expect_close("ppl", ppl);
}

static int cache(bool dry_run, json_t **result)
{
	return ps_run_cache(&s,
			    &(ps_cache_args){.model = MODEL,
					     .tokens = tokens,
					     .dtype = "f32",
					     .order = "sequence",
					     .layers = {1, {3}},
					     .variant_count = 1,
					     .variants = {{NULL, out}},
					     .replace = true,
					     .dry_run = dry_run},
			    result);
}

/* The folder of an earlier try would answer at once. */
static int cache_anew(bool dry_run, json_t **result)
{
	char command[500];

	snprintf(command, sizeof command, "rm -rf '%s'", out);
	assert_int_equal(system(command), 0);
	return cache(dry_run, result);
}

static void a_cache_takes_what_its_dry_run_says(void **state)
{
	(void)state;
	expect_close("cache", cache_anew);
}

static int prune(bool dry_run, json_t **result)
{
	const ps_prune_args args = {.model = MODEL,
				    .method = "wanda",
				    .sparsity = 0.5,
				    .tokens = tokens,
				    .out = out,
				    .dry_run = dry_run};

	return ps_run_prune(&s, (const ps_prune_args *[]){&args}, 1, result);
}

static int prune_anew(bool dry_run, json_t **result)
{
	char command[500];

	snprintf(command, sizeof command, "rm -rf '%s'", out);
	assert_int_equal(system(command), 0);
	return prune(dry_run, result);
}

static void a_wanda_mask_takes_what_its_dry_run_says(void **state)
{
	(void)state;
	expect_close("prune", prune_anew);
}

/* --- the probes --- */

static int calls;

static int sleep_a_little(void *context)
{
	calls++;
	return usleep(*(const useconds_t *)context) ? -1 : 0;
}

static void short_calls_are_repeated_and_long_ones_are_not(void **state)
{
	useconds_t briefly = 2000, long_enough = 160000;
	double seconds = 0;

	(void)state;
	clock_counts_work = false;
	calls = 0;
	assert_int_equal(ps_probe_time(sleep_a_little, &briefly, &seconds), 0);
	assert_true(calls > 3);
	assert_true(seconds >= 0.002);
	calls = 0;
	assert_int_equal(ps_probe_time(sleep_a_little, &long_enough, &seconds), 0);
	assert_int_equal(calls, 1);
	assert_true(seconds >= 0.16);
}

static int fail_at_once(void *context)
{
	(void)context;
	return PS_EINPUT;
}

static void the_code_of_a_failing_call_comes_back(void **state)
{
	double seconds;

	(void)state;
	assert_int_equal(ps_probe_time(fail_at_once, NULL, &seconds), PS_EINPUT);
}

static void writing_is_measured_above_a_path_that_is_not_there(void **state)
{
	char path[600];
	ps_probe_writing writing;

	(void)state;
	snprintf(path, sizeof path, "%s/nowhere/deeper/file", scratch);
	writing = ps_probe_write(path);
	assert_true(writing.file_seconds >= 0 && writing.byte_seconds >= 0);
	assert_true(isfinite(writing.file_seconds) && isfinite(writing.byte_seconds));
	snprintf(path, sizeof path, "%s/nowhere", scratch);
	assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(perplexity_takes_what_its_dry_run_says),
		cmocka_unit_test(a_cache_takes_what_its_dry_run_says),
		cmocka_unit_test(a_wanda_mask_takes_what_its_dry_run_says),
		cmocka_unit_test(short_calls_are_repeated_and_long_ones_are_not),
		cmocka_unit_test(the_code_of_a_failing_call_comes_back),
		cmocka_unit_test(writing_is_measured_above_a_path_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
