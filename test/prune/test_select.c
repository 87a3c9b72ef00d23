/* prune/select and prune/histogram against sorting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/bitmap.h"
#include "core/base/rng.h"
#include "prune/histogram.h"
#include "prune/select.h"

#define SCORES_MAX 3000

struct ranked {
	float score;
	size_t column;
};

static int by_score_then_column(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->score != y->score)
		return x->score < y->score ? -1 : 1;
	return (x->column > y->column) - (x->column < y->column);
}

static int by_value(const void *a, const void *b)
{
	const float *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Clears the bits of the count lowest of scores[first, first + cols). */
static void drop_by_sorting(const float *scores, size_t first, size_t cols, size_t count,
			    uint8_t *keep)
{
	static struct ranked sorted[SCORES_MAX];

	for (size_t i = 0; i < cols; i++)
		sorted[i] = (struct ranked){scores[first + i], first + i};
	qsort(sorted, cols, sizeof *sorted, by_score_then_column);
	for (size_t i = 0; i < count; i++)
		ps_bitmap_drop(keep, sorted[i].column);
}

/* levels > 0: that many different values, so that ties abound. */
static void make_scores(float *scores, size_t cols, uint64_t seed, unsigned levels)
{
	ps_rng rng = ps_rng_make(seed, 0);

	for (size_t i = 0; i < cols; i++) {
		double u = ps_rng_uniform(&rng);

		scores[i] = levels ? (float)(unsigned)(u * levels) : (float)(u * u * 1e-3);
	}
}

static void rows_match_sorting(void **state)
{
	static const size_t widths[] = {1, 2, 7, 8, 9, 63, 64, 65, 640, 1023, 2048, 2999};
	static const double sparsities[] = {0, 0.1, 0.3, 0.5, 0.6, 0.97, 0.9999999999999999};
	static const unsigned levels[] = {0, 1, 2, 5, 100};
	static float scores[SCORES_MAX];
	uint8_t keep[SCORES_MAX / 8 + 1], expected[SCORES_MAX / 8 + 1];
	size_t rows = 0;

	(void)state;
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
		for (size_t s = 0; s < sizeof sparsities / sizeof *sparsities; s++)
			for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
				size_t cols = widths[w],
				       drop = (size_t)((double)cols * sparsities[s]);

				make_scores(scores, cols, rows++, levels[l]);
				ps_bitmap_fill(keep, 1, cols);
				ps_bitmap_fill(expected, 1, cols);
				drop_by_sorting(scores, 0, cols, drop, expected);
				ps_select_row(scores, cols, sparsities[s], keep);
				assert_memory_equal(keep, expected, ps_bitmap_row_bytes(cols));
				assert_int_equal(cols - ps_bitmap_count(keep, 1, cols), drop);
			}
	print_message("%zu rows equal to sorting\n", rows);
}

static void rows_take_zero_denormal_and_infinite_scores(void **state)
{
	const float scores[9] = {1e-45f, 0, __builtin_inff(), 0, 3e38f, 1e-45f, __builtin_inff(), 1,
				 2e-45f};
	uint8_t keep[2];

	(void)state;
	for (size_t drop = 0; drop <= 8; drop++) {
		uint8_t expected[2];

		ps_bitmap_fill(keep, 1, 9);
		ps_bitmap_fill(expected, 1, 9);
		drop_by_sorting(scores, 0, 9, drop, expected);
		ps_select_row(scores, 9, ((double)drop + 0.5) / 9, keep);
		assert_memory_equal(keep, expected, 2);
	}
}

static void groups_match_sorting(void **state)
{
	static const unsigned patterns[][2] = {{2, 4}, {4, 8}, {1, 2},  {1, 3},
					       {5, 6}, {0, 4}, {10, 24}};
	static float scores[SCORES_MAX];
	uint8_t keep[SCORES_MAX / 8 + 1], expected[SCORES_MAX / 8 + 1];

	(void)state;
	for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++)
		for (unsigned levels = 0; levels < 4; levels++) {
			unsigned n = patterns[p][0], m = patterns[p][1];
			size_t cols = (size_t)m * 101;

			make_scores(scores, cols, p, levels);
			ps_bitmap_fill(keep, 1, cols);
			ps_bitmap_fill(expected, 1, cols);
			for (size_t first = 0; first < cols; first += m)
				drop_by_sorting(scores, first, m, n, expected);
			ps_select_nm(scores, cols, n, m, keep);
			assert_memory_equal(keep, expected, ps_bitmap_row_bytes(cols));
		}
}

static void thresholds_drop_what_is_at_or_below_them(void **state)
{
	const float scores[11] = {0, 1, 2, 3, 2, 1, 0, 2, 4, 2, 1};
	const float threshold[4] = {2, -1, 4, 2};
	const uint8_t expected[4][2] = {{0x08, 0x01}, {0xff, 0x07}, {0, 0}, {0x08, 0x01}};
	uint8_t bits[4][4], *keep[4];

	(void)state;
	for (int t = 0; t < 4; t++) {
		keep[t] = bits[t];
		ps_bitmap_fill(bits[t], 2, 11);
	}
	ps_select_thresholds(scores, 11, threshold, 4, keep, 1);
	for (int t = 0; t < 4; t++) {
		assert_memory_equal(bits[t] + 2, expected[t], 2);
		assert_int_equal(ps_bitmap_count(bits[t], 1, 11), 11);
	}
}

static void thresholds_of_long_rows_are_compared_one_by_one(void **state)
{
	static float scores[SCORES_MAX];
	static uint8_t bits[3][SCORES_MAX / 8 + 1];
	uint8_t *keep[3] = {bits[0], bits[1], bits[2]};

	(void)state;
	for (size_t cols = 1; cols < SCORES_MAX; cols += 1 + cols / 3) {
		float threshold[3];

		make_scores(scores, cols, (unsigned)cols, 0);
		for (int t = 0; t < 3; t++) {
			threshold[t] = scores[(size_t)(2 - t) * cols / 3];
			ps_bitmap_fill(bits[t], 1, cols);
		}
		ps_select_thresholds(scores, cols, threshold, 3, keep, 0);
		for (int t = 0; t < 3; t++)
			for (size_t c = 0; c < cols; c++)
				assert_int_equal(bits[t][c / 8] >> c % 8 & 1,
						 scores[c] > threshold[t]);
	}
}

static void histogram_finds_the_kth_smallest(void **state)
{
	enum { RANKS = 4 };
	static float scores[SCORES_MAX], sorted[SCORES_MAX];
	ps_arena arena;
	ps_layout counted = {0}, taken = {.arena = &arena};
	ps_histogram histogram;

	(void)state;
	ps_histogram_lay_out(&histogram, 3, RANKS, &counted);
	assert_int_equal(ps_arena_create(&arena, counted.bytes, NULL), 0);
	ps_histogram_lay_out(&histogram, 3, RANKS, &taken);
	for (unsigned levels = 0; levels < 5; levels++) {
		make_scores(scores, SCORES_MAX, 9 + levels, levels);
		memcpy(sorted, scores, sizeof sorted);
		qsort(sorted, SCORES_MAX, sizeof *sorted, by_value);
		for (size_t first = 0; first + 813 < SCORES_MAX; first += 271) {
			/* two of them are often in one bin, and the last two are the same */
			const uint64_t k[RANKS] = {first, first + 1, first + 812, first + 812};
			float found[RANKS];

			ps_histogram_clear(&histogram);
			for (int t = 0; t < 3; t++)
				ps_histogram_add_upper(&histogram, t, scores + t * (SCORES_MAX / 3),
						       SCORES_MAX / 3);
			ps_histogram_end_upper(&histogram, k);
			for (int t = 0; t < 3; t++)
				ps_histogram_add_lower(&histogram, 2 - t,
						       scores + t * (SCORES_MAX / 3),
						       SCORES_MAX / 3);
			ps_histogram_end_lower(&histogram, found);
			for (size_t i = 0; i < RANKS; i++)
				assert_true(found[i] == sorted[k[i]]);
		}
	}
	ps_arena_destroy(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_match_sorting),
		cmocka_unit_test(rows_take_zero_denormal_and_infinite_scores),
		cmocka_unit_test(groups_match_sorting),
		cmocka_unit_test(thresholds_drop_what_is_at_or_below_them),
		cmocka_unit_test(thresholds_of_long_rows_are_compared_one_by_one),
		cmocka_unit_test(histogram_finds_the_kth_smallest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
