/* tools/cmd/ppl_windows: which ids of a text each window scores, worked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tools/cmd/ppl_windows.h"

enum { WINDOWS_MAX = 64 };

/* The windows must be these. */
static void expect(size_t ids, size_t window, size_t stride, const ps_ppl_window *wanted,
		   size_t count)
{
	ps_ppl_window out[WINDOWS_MAX];

	assert_int_equal(ps_ppl_windows(ids, window, stride, NULL), count);
	assert_int_equal(ps_ppl_windows(ids, window, stride, out), count);
	for (size_t i = 0; i < count; i++)
		if (memcmp(&out[i], &wanted[i], sizeof *wanted))
			fail_msg("window %zu of %zu ids: [%zu, %zu) scored from %zu, not [%zu, "
				 "%zu) from %zu",
				 i, ids, out[i].begin, out[i].end, out[i].scored, wanted[i].begin,
				 wanted[i].end, wanted[i].scored);
}

#define EXPECT(ids, window, stride, ...)                                                           \
	expect(ids, window, stride, (const ps_ppl_window[]){__VA_ARGS__},                          \
	       sizeof(const ps_ppl_window[]){__VA_ARGS__} / sizeof(ps_ppl_window))

static void a_text_shorter_than_a_window_is_one_window(void **state)
{
	(void)state;
	EXPECT(3, 8, 4, {0, 0, 3});
	EXPECT(1, 8, 4, {0, 0, 1});
	EXPECT(1, 1, 1, {0, 0, 1});
}

static void a_text_as_long_as_a_window_is_one_window(void **state)
{
	(void)state;
	EXPECT(8, 8, 4, {0, 0, 8});
	EXPECT(8, 8, 8, {0, 0, 8});
}

static void a_stride_as_long_as_the_window_gives_no_context(void **state)
{
	(void)state;
	EXPECT(10, 4, 4, {0, 0, 4}, {4, 4, 8}, {8, 8, 10});
	EXPECT(12, 4, 4, {0, 0, 4}, {4, 4, 8}, {8, 8, 12});
}

static void later_windows_score_what_the_ones_before_did_not(void **state)
{
	(void)state;
	EXPECT(9, 4, 2, {0, 0, 4}, {2, 4, 6}, {4, 6, 8}, {6, 8, 9});
	EXPECT(7, 4, 3, {0, 0, 4}, {3, 4, 7});
}

static void the_window_that_reaches_the_end_is_the_last(void **state)
{
	(void)state;
	/* [4, 8) would still begin before the end, but has nothing left to score. */
	EXPECT(6, 4, 2, {0, 0, 4}, {2, 4, 6});
	/* One id more, and it is wanted. */
	EXPECT(7, 4, 2, {0, 0, 4}, {2, 4, 6}, {4, 6, 7});
}

static void a_stride_of_one_scores_an_id_a_window(void **state)
{
	(void)state;
	EXPECT(6, 3, 1, {0, 0, 3}, {1, 3, 4}, {2, 4, 5}, {3, 5, 6});
}

/* --max-tokens shortens the text before it is cut: the windows of 10 ids of a longer text are those
 * of a text of 10, not the first ones of the longer text's windows. */
static void fewer_ids_shorten_the_last_window_and_no_other(void **state)
{
	ps_ppl_window all[WINDOWS_MAX], some[WINDOWS_MAX];
	size_t count;

	(void)state;
	ps_ppl_windows(23, 6, 4, all);
	count = ps_ppl_windows(12, 6, 4, some);
	assert_int_equal(count, 3);
	assert_memory_equal(some, all, 2 * sizeof *some);
	EXPECT(12, 6, 4, {0, 0, 6}, {4, 6, 10}, {8, 10, 12});
}

static void the_first_id_is_scored_from_bos_and_every_id_once(void **state)
{
	ps_ppl_window out[WINDOWS_MAX];

	(void)state;
	for (size_t ids = 1; ids <= 40; ids++)
		for (size_t window = 1; window <= 9; window++)
			for (size_t stride = 1; stride <= window; stride++) {
				const size_t count = ps_ppl_windows(ids, window, stride, out);
				size_t scored = 0;

				assert_int_equal(out[0].begin, 0);
				for (size_t i = 0; i < count; i++) {
					assert_int_equal(out[i].begin, i * stride);
					assert_int_equal(out[i].scored, scored);
					assert_true(out[i].end > out[i].scored);
					assert_true(out[i].end - out[i].begin <= window);
					scored = out[i].end;
				}
				assert_int_equal(scored, ids);
			}
}

static void no_ids_are_no_windows(void **state)
{
	(void)state;
	assert_int_equal(ps_ppl_windows(0, 4, 2, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_shorter_than_a_window_is_one_window),
		cmocka_unit_test(a_text_as_long_as_a_window_is_one_window),
		cmocka_unit_test(a_stride_as_long_as_the_window_gives_no_context),
		cmocka_unit_test(later_windows_score_what_the_ones_before_did_not),
		cmocka_unit_test(the_window_that_reaches_the_end_is_the_last),
		cmocka_unit_test(a_stride_of_one_scores_an_id_a_window),
		cmocka_unit_test(fewer_ids_shorten_the_last_window_and_no_other),
		cmocka_unit_test(the_first_id_is_scored_from_bos_and_every_id_once),
		cmocka_unit_test(no_ids_are_no_windows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
