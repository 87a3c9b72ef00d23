/* tools/run/loops and line_text: rates, times left, and lines that fit. Times are made up:
 * nothing waits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test/support/support_close.h"
#include "tools/run/line_text.h"
#include "tools/run/loops.h"

static void tick(ps_loops *loops, const char *what, uint64_t done, uint64_t total, double now)
{
	const ps_loop_tick t = {.what = what, .unit = "layers", .done = done, .total = total};

	ps_loops_tick(loops, &t, now);
}

static void near(double value, double expected, double share)
{
	assert_near(value, expected, share * fabs(expected));
}

static void test_a_rate_is_unknown_until_a_second_has_passed(void **state)
{
	ps_loops loops = {.count = 0};

	(void)state;
	assert_null(ps_loops_inner(&loops));
	assert_null(ps_loops_outer(&loops, 0));
	tick(&loops, "train", 1, 100, 50);
	assert_true(ps_loop_rate(ps_loops_inner(&loops), 50) == 0);
	assert_true(ps_loop_left(ps_loops_inner(&loops), 50) < 0);
	tick(&loops, "train", 2, 100, 50.5);
	assert_true(ps_loop_rate(ps_loops_inner(&loops), 50.5) == 0);
	tick(&loops, "train", 3, 100, 51);
	near(ps_loop_rate(ps_loops_inner(&loops), 51), 2, 1e-9);
	near(ps_loop_left(ps_loops_inner(&loops), 51), 48.5, 1e-9);
	tick(&loops, "train", 100, 100, 60);
	assert_true(ps_loop_left(ps_loops_inner(&loops), 60) == 0);
	assert_null(ps_loops_outer(&loops, 60));
}

static void test_a_slow_start_is_forgotten(void **state)
{
	ps_loops loops = {.count = 0};
	double now = 0;
	uint64_t done = 0;

	(void)state;
	/* 20 s at 10 units a second, then 1,000. */
	for (; now < 20; now += 0.1)
		tick(&loops, "train", done += 1, 1000000, now);
	near(ps_loop_rate(ps_loops_inner(&loops), now), 10, 0.01);
	for (; now < 40; now += 0.01)
		tick(&loops, "train", done += 10, 1000000, now);
	near(ps_loop_rate(ps_loops_inner(&loops), now), 1000, 0.1);
	/* After ten minutes a slower last minute counts alone. */
	for (; now < 600; now += 0.01)
		tick(&loops, "train", done += 10, 1000000, now);
	for (; now < 662; now += 0.01)
		tick(&loops, "train", done += 5, 1000000, now);
	near(ps_loop_rate(ps_loops_inner(&loops), now), 500, 0.01);
}

static void test_slow_loops_count_down_between_ticks(void **state)
{
	ps_loops loops = {.count = 0};

	(void)state;
	tick(&loops, "wanda", 1, 10, 0);
	tick(&loops, "wanda", 2, 10, 100);
	near(ps_loop_rate(ps_loops_inner(&loops), 100), 0.01, 1e-9);
	near(ps_loop_left(ps_loops_inner(&loops), 100), 800, 1e-9);
	near(ps_loop_left(ps_loops_inner(&loops), 150), 750, 1e-9);
	near(ps_loop_left(ps_loops_inner(&loops), 200), 700, 1e-9);
	/* The next layer is late: no more is taken as done than that layer. */
	near(ps_loop_left(ps_loops_inner(&loops), 250), 700, 1e-9);
	/* Silent for long: the rate goes down. */
	assert_true(ps_loop_left(ps_loops_inner(&loops), 500) > 2000);
}

static void test_nested_loops_keep_their_histories(void **state)
{
	ps_loops loops = {.count = 0};
	double now = 0;

	(void)state;
	for (int window = 0; window < 5; window++) {
		for (int layer = 0; layer <= 20; layer++, now += 0.5)
			tick(&loops, "forward pass", (uint64_t)layer, 20, now);
		tick(&loops, "windows", (uint64_t)window + 1, 30, now);
	}
	assert_string_equal(ps_loops_inner(&loops)->what, "windows");
	tick(&loops, "forward pass", 0, 20, now + 0.1);
	tick(&loops, "forward pass", 2, 20, now + 1.1);
	assert_string_equal(ps_loops_inner(&loops)->what, "forward pass");
	assert_string_equal(ps_loops_outer(&loops, now + 1.1)->what, "windows");
	near(ps_loop_left(ps_loops_outer(&loops, now + 1.1), now + 1.1), 25 * 10.5 - 1.1, 0.01);
	near(ps_loop_rate(ps_loops_inner(&loops), now + 1.1), 2, 1e-9);
	/* The outer loop is silent for long: it ended without saying so. */
	tick(&loops, "forward pass", 3, 20, now + 60);
	assert_string_equal(ps_loops_outer(&loops, now + 60)->what, "forward pass");
}

static void test_more_loops_than_there_is_room_for_are_no_harm(void **state)
{
	ps_loops loops = {.count = 0};
	char what[100];

	(void)state;
	memset(what, 'x', sizeof what);
	what[sizeof what - 1] = 0;
	for (int i = 0; i < 3 * PS_LOOPS_MAX; i++) {
		what[0] = (char)('a' + i);
		tick(&loops, what, 1, 10, i);
		tick(&loops, what, 2, 10, i + 0.5);
		assert_int_equal(ps_loops_inner(&loops)->last.done, 2);
	}
	assert_int_equal(loops.count, PS_LOOPS_MAX);
}

/* A step of 10 s that makes a cache, 80 s of training and 10 s of evaluation, which was expected
 * to take so many times 100 s. How far the time left jumps and is off, in seconds. */
static void check_step(double expected_share, double jump, double error)
{
	const ps_step_clock step = {.began = 0, .seconds = 100 * expected_share};
	ps_loops loops = {.count = 0};
	closeness jumps = {0}, errors = {0};
	double before = -1;

	print_message("expected %g times the time taken:\n", expected_share);
	for (int i = 1; i < 1000; i++) {
		double now = 0.1 * i, left;

		if (i < 100)
			tick(&loops, "forward pass", (uint64_t)i * 10, 1000, now);
		else if (i < 900)
			tick(&loops, "training", (uint64_t)(i - 99) * 100, 80000, now);
		else
			tick(&loops, "evaluating", (uint64_t)(i - 899), 100, now);
		left = ps_step_left(&step, &loops, now);
		/* Over the expected time, between two loops: the step may end at any moment. */
		left = left < 0 ? 0 : left;
		if (i > 1)
			closeness_add(&jumps, left, before - 0.1, 1);
		closeness_add(&errors, left, 100 - now, 1);
		before = left;
	}
	assert_closeness(&jumps, "jumps in s", jump);
	assert_closeness(&errors, "time left in s", error);
}

static void test_time_left_does_not_jump_between_the_loops_of_a_step(void **state)
{
	(void)state;
	check_step(1, 15, 15);
	check_step(1.5, 40, 55);
	check_step(0.7, 40, 45);
}

static void test_a_step_without_ticks_counts_down_its_expected_time(void **state)
{
	const ps_step_clock known = {.began = 10, .seconds = 20}, unknown = {.began = 10};
	ps_loops loops = {.count = 0};

	(void)state;
	near(ps_step_left(&known, &loops, 15), 15, 1e-9);
	assert_true(ps_step_left(&known, &loops, 31) < 0);
	assert_true(ps_step_left(&unknown, &loops, 15) < 0);
	tick(&loops, "training", 100, 1000, 11);
	tick(&loops, "training", 200, 1000, 12);
	near(ps_step_left(&unknown, &loops, 12), 8, 1e-9);
	near(ps_step_left(&known, &loops, 31), 7, 1e-9);
}

static void check_cut(const char *text, size_t columns, const char *expected, size_t taken)
{
	char out[64];

	assert_int_equal(ps_text_cut(text, columns, out, sizeof out), taken);
	assert_string_equal(out, expected);
}

static void test_text_is_cut_by_columns(void **state)
{
	char out[4];

	(void)state;
	check_cut("abc", 3, "abc", 3);
	check_cut("abcd", 3, "abc", 3);
	check_cut("abc", 0, "", 0);
	/* Wide characters take two columns and are never halved. */
	check_cut("\u6f22\u5b57", 4, "\u6f22\u5b57", 4);
	check_cut("\u6f22\u5b57", 3, "\u6f22", 2);
	check_cut("a\U0001F600b", 3, "a\U0001F600", 3);
	/* Combining marks take none. */
	check_cut("e\u0301a", 1, "e\u0301", 1);
	check_cut("\u00e9\u00e9", 1, "\u00e9", 1);
	/* What is not text, and what would move the cursor. */
	check_cut("a\x1b[2Jb", 9, "a?[2Jb", 6);
	check_cut("a\xff\xc3", 9, "a??", 3);
	assert_int_equal(ps_text_columns("\u6f22e\u0301\n"), 4);
	/* The buffer ends before the columns do. */
	assert_int_equal(ps_text_cut("a\u6f22", 9, out, sizeof out), 1);
	assert_string_equal(out, "a");
}

static void test_rows_end_between_words(void **state)
{
	(void)state;
	assert_int_equal(ps_text_row("one two three", 8), 7);
	assert_int_equal(ps_text_row("one two three", 7), 7);
	assert_int_equal(ps_text_row("one two three", 6), 3);
	assert_int_equal(ps_text_row("three", 3), 3);
	assert_int_equal(ps_text_row("three", 30), 5);
	/* A character that is wider than the row is taken all the same: rows must end. */
	assert_int_equal(ps_text_row("\u6f22", 1), 3);
}

static void test_parts_give_way_by_rank(void **state)
{
	ps_line_parts parts = {.count = 0};
	char out[PS_LINE_BYTES];

	(void)state;
	ps_line_add(&parts, 2, "training", "train");
	ps_line_add(&parts, 0, ", a long remark", "");
	ps_line_add(&parts, 1, ", 12 s", " 12");
	ps_line_fit(&parts, PS_LINE_UNLIMITED, out);
	assert_string_equal(out, "training, a long remark, 12 s");
	ps_line_fit(&parts, 28, out);
	assert_string_equal(out, "training, 12 s");
	ps_line_fit(&parts, 13, out);
	assert_string_equal(out, "training 12");
	/* With the name shortened there is room for the rest again. */
	ps_line_fit(&parts, 10, out);
	assert_string_equal(out, "train 12");
	ps_line_fit(&parts, 6, out);
	assert_string_equal(out, "train ");
	ps_line_fit(&parts, 0, out);
	assert_string_equal(out, "");
}

static void test_short_forms(void **state)
{
	char out[48];

	(void)state;
	assert_string_equal(ps_text_seconds(3.21, true, out), "3.2s");
	assert_string_equal(ps_text_seconds(9.96, true, out), "10s");
	assert_string_equal(ps_text_seconds(3.21, false, out), "3s");
	assert_string_equal(ps_text_seconds(59.6, false, out), "1m00s");
	assert_string_equal(ps_text_seconds(80, false, out), "1m20s");
	assert_string_equal(ps_text_seconds(7500, false, out), "2h05m");
	assert_string_equal(ps_text_seconds(86400 * 3 + 3600 * 4, false, out), "3d04h");
	assert_string_equal(ps_text_seconds(1e300, false, out), "100d00h");
	assert_string_equal(ps_text_count(999, out), "999");
	assert_string_equal(ps_text_count(999999, out), "1M");
	assert_string_equal(ps_text_count(12345, out), "12.3k");
	assert_string_equal(ps_text_rate(5213, "tok", out), "5.21k tok/s");
	assert_string_equal(ps_text_rate(0.0865, "layers", out), "11.6 s/layer");
	assert_string_equal(ps_text_rate(0.5, "matrices", out), "2 s/matrix");
	assert_string_equal(ps_text_rate(0.0005, "win", out), "2000 s/win");
	assert_string_equal(ps_text_rate(1, "layers", out), "1 layers/s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate_is_unknown_until_a_second_has_passed),
		cmocka_unit_test(test_a_slow_start_is_forgotten),
		cmocka_unit_test(test_slow_loops_count_down_between_ticks),
		cmocka_unit_test(test_nested_loops_keep_their_histories),
		cmocka_unit_test(test_more_loops_than_there_is_room_for_are_no_harm),
		cmocka_unit_test(test_time_left_does_not_jump_between_the_loops_of_a_step),
		cmocka_unit_test(test_a_step_without_ticks_counts_down_its_expected_time),
		cmocka_unit_test(test_text_is_cut_by_columns),
		cmocka_unit_test(test_rows_end_between_words),
		cmocka_unit_test(test_parts_give_way_by_rank),
		cmocka_unit_test(test_short_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
