/* prune/select, its kernels and prune/histogram against sorting. */
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
#include "prune/select_kernel.h"

#define SCORES_MAX 3000

/* One that this CPU has not gives the best one. */
static const char *const kernels[] = {"ref", "neon", "avx2", "avx512"};
#define KERNELS (sizeof kernels / sizeof *kernels)

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
	enum { SPARSITIES = sizeof sparsities / sizeof *sparsities };
	static float scores[SCORES_MAX];
	static uint8_t bits[SPARSITIES][SCORES_MAX / 8 + 1], spare[SCORES_MAX / 8 + 1];
	uint8_t *keep[SPARSITIES], expected[SCORES_MAX / 8 + 1];
	size_t rows = 0;

	(void)state;
	for (size_t s = 0; s < SPARSITIES; s++)
		keep[s] = bits[s];
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
		for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
			const size_t cols = widths[w];

			make_scores(scores, cols, rows++, levels[l]);
			memset(bits, 0x5a, sizeof bits);
			ps_select_row(ps_select_kernel_choose(kernels[rows % KERNELS]), scores,
				      cols, sparsities, SPARSITIES, keep, spare);
			for (size_t s = 0; s < SPARSITIES; s++) {
				const size_t drop = ps_select_dropped(cols, sparsities[s]);

				ps_bitmap_fill(expected, 1, cols);
				drop_by_sorting(scores, 0, cols, drop, expected);
				assert_memory_equal(keep[s], expected, ps_bitmap_row_bytes(cols));
				assert_int_equal(keep[s][ps_bitmap_row_bytes(cols)], 0x5a);
			}
		}
	print_message("%zu rows of %d sparsities equal to sorting\n", rows, SPARSITIES);
}

/* Every number of dropped columns of a row is compared with sorting. */
static void check_row(const float *scores, size_t cols)
{
	uint8_t keep[SCORES_MAX / 8 + 1], spare[SCORES_MAX / 8 + 1], expected[SCORES_MAX / 8 + 1];
	uint8_t *const keeps[1] = {keep};

	for (size_t drop = 0; drop < cols; drop++) {
		const double sparsity = ((double)drop + 0.5) / (double)cols;

		ps_bitmap_fill(expected, 1, cols);
		drop_by_sorting(scores, 0, cols, drop, expected);
		ps_select_row(ps_select_kernel_choose(NULL), scores, cols, &sparsity, 1, keeps,
			      spare);
		assert_memory_equal(keep, expected, ps_bitmap_row_bytes(cols));
	}
}

static void rows_take_zero_denormal_and_infinite_scores(void **state)
{
	const float scores[9] = {1e-45f, 0, __builtin_inff(), 0, 3e38f, 1e-45f, __builtin_inff(), 1,
				 2e-45f};

	(void)state;
	check_row(scores, 9);
}

/* Scores of one bin, few and many of them; scores far below the largest, which share the lowest
 * bin; scores that are nothing but upper bits, there and elsewhere. */
static void rows_of_crowded_bins_match_sorting(void **state)
{
	static float scores[400];
	static const size_t widths[] = {70, 129, 400};

	(void)state;
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
		const size_t cols = widths[w];

		for (size_t c = 0; c < cols; c++)
			scores[c] = 1 + (float)(c * 37 % 101) * 1e-5f;
		check_row(scores, cols);
		scores[cols / 3] = 1e9f;
		check_row(scores, cols);
		for (size_t c = 0; c < cols; c++)
			scores[c] = (float)(c * 37 % 19);
		check_row(scores, cols);
		scores[cols / 3] = 1e9f;
		check_row(scores, cols);
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
	const size_t expected_kept[4] = {2, 11, 0, 2};

	(void)state;
	for (size_t i = 0; i < KERNELS; i++) {
		uint8_t bits[4][3], *keep[4] = {bits[0], bits[1], bits[2], bits[3]};
		size_t kept[4];

		memset(bits, 0x5a, sizeof bits);
		ps_select_kernel_choose(kernels[i])->compare(scores, 11, threshold, 4, keep, kept);
		for (int t = 0; t < 4; t++) {
			assert_memory_equal(bits[t], expected[t], 2);
			assert_int_equal(bits[t][2], 0x5a);
			assert_int_equal(kept[t], expected_kept[t]);
		}
	}
}

/* Rows of all lengths around whole steps, none of them aligned, with scores that equal thresholds,
 * that are 0, tiny or infinite. */
static void kernels_agree_with_the_rule(void **state)
{
	enum { COLS_MAX = 300, COUNT = 5 };
	static float scores[COLS_MAX + 1];
	float *row = scores + 1;

	(void)state;
	for (size_t cols = 1; cols <= COLS_MAX; cols++)
		for (size_t i = 0; i < KERNELS; i++) {
			uint8_t bits[COUNT][COLS_MAX / 8 + 3], *keep[COUNT];
			size_t kept[COUNT];
			float threshold[COUNT] = {-1, 0};

			make_scores(row, cols, cols, cols % 3 ? 0 : 7);
			row[cols / 2] = cols % 5 ? 1e-45f : __builtin_inff();
			for (size_t t = 0; t < COUNT; t++) {
				keep[t] = bits[t] + 1;
				threshold[t] = t > 1 ? row[t * cols / COUNT] : threshold[t];
			}
			memset(bits, 0x5a, sizeof bits);
			ps_select_kernel_choose(kernels[i])
				->compare(row, cols, threshold, COUNT, keep, kept);
			for (size_t t = 0; t < COUNT; t++) {
				const size_t bytes = ps_bitmap_row_bytes(cols);
				size_t above = 0;

				for (size_t c = 0; c < 8 * bytes; c++) {
					const bool is = c < cols && row[c] > threshold[t];

					assert_int_equal(keep[t][c / 8] >> c % 8 & 1, is);
					above += is;
				}
				assert_int_equal(kept[t], above);
				assert_int_equal(keep[t][-1], 0x5a);
				assert_int_equal(keep[t][bytes], 0x5a);
			}
		}
	for (size_t i = 0; i < KERNELS; i++)
		print_message("%s: %s\n", kernels[i],
			      ps_select_kernel_choose(kernels[i])->cpu.name);
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
			/* Of small whole numbers the lower bits are 0: one pass is enough. */
			assert_int_equal(ps_histogram_end_upper(&histogram, k), !levels);
			for (int t = 0; t < 3 && !levels; t++)
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
		cmocka_unit_test(rows_of_crowded_bins_match_sorting),
		cmocka_unit_test(groups_match_sorting),
		cmocka_unit_test(thresholds_drop_what_is_at_or_below_them),
		cmocka_unit_test(kernels_agree_with_the_rule),
		cmocka_unit_test(histogram_finds_the_kth_smallest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
