/* analysis/statistics against numpy and scipy: estimates, and intervals from the same draws. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/statistics.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

#define MOST 500
#define LIMIT 3e-15

struct data {
	double x[MOST], y[MOST], z[MOST];
	size_t count;
};

static void golden_of(const char *prefix, int seed, double *values, size_t count)
{
	char name[32];

	snprintf(name, sizeof name, "%s.%d", prefix, seed);
	analysis_golden(name, values, count);
}

static void fill(struct data *data, uint64_t seed, size_t count, unsigned levels)
{
	data->count = count;
	analysis_fill_vector(data->x, count, seed, levels, NULL);
	analysis_fill_vector(data->y, count, seed + 50, levels, data->x);
	analysis_fill_vector(data->z, count, seed + 90, 0, data->x);
}

static void estimates_equal_scipys(void **state)
{
	static struct data data;
	static double ranks[2 * MOST];
	static uint32_t order[MOST];
	closeness c = {0};

	(void)state;
	for (int seed = 0; seed < 5; seed++) {
		double golden[6];

		golden_of("statistics", seed, golden, 6);
		fill(&data, (uint64_t)seed, (size_t)golden[0], (unsigned)golden[1]);
		closeness_add_named(&c, "mean", ps_mean(data.x, data.count), golden[2], 1);
		closeness_add_named(&c, "sd", ps_sd(data.x, data.count), golden[3], 1);
		closeness_add_named(&c, "spearman",
				    ps_spearman(data.x, data.y, data.count, order, ranks),
				    golden[5], 1);
	}
	assert_closeness(&c, "estimates", LIMIT);
}

static void the_order_puts_ties_by_index(void **state)
{
	const double values[7] = {3, -1, 3, 0, 3, 0, 9};
	const uint32_t sorted[7] = {1, 3, 5, 0, 2, 4, 6};
	uint32_t order[7];

	(void)state;
	ps_sort_order(values, 7, order);
	assert_memory_equal(order, sorted, sizeof sorted);
}

static void kendalls_w_corrects_for_ties(void **state)
{
	static double scores[64];
	closeness c = {0};
	ps_arena arena;

	(void)state;
	assert_int_equal(ps_arena_create(&arena, ps_kendall_w_bytes(17), NULL), 0);
	for (int seed = 0; seed < 4; seed++) {
		double golden[4];

		golden_of("kendall", seed, golden, 4);
		analysis_fill_vector(scores, (size_t)(golden[0] * golden[1]), (uint64_t)seed,
				     (unsigned)golden[2], NULL);
		closeness_add(&c,
			      ps_kendall_w(scores, (size_t)golden[0], (size_t)golden[1], &arena),
			      golden[3], 1);
	}
	ps_arena_destroy(&arena);
	assert_closeness(&c, "Kendall's W", LIMIT);
}

static void all_intervals(const struct data *data, int threads, ps_interval out[5])
{
	ps_bootstrap plan = {.replicates = 200, .confidence = 0.95, .seed = 11};
	const ps_axis axis = {.count = data->count, .unit = PS_UNIT_WINDOWS};
	static double shifted[MOST];
	analysis_bench bench;
	ps_arena arena;

	for (size_t i = 0; i < data->count; i++)
		shifted[i] = data->y[i] + 9;
	analysis_open(&bench, threads);
	assert_int_equal(ps_arena_create(&arena,
					 ps_spearman_interval_bytes(&plan, data->count, threads),
					 &bench.diag),
			 0);
	assert_int_equal(ps_bootstrap_ratio(&plan, (ps_ratio){data->x, shifted}, axis,
					    &bench.context, &arena, &out[0]),
			 0);
	plan.seed++;
	assert_int_equal(ps_bootstrap_ratio(&plan, (ps_ratio){data->x, NULL}, axis, &bench.context,
					    &arena, &out[1]),
			 0);
	plan.seed++;
	assert_int_equal(ps_bootstrap_ratio_change(&plan, (ps_ratio){data->x, NULL},
						   (ps_ratio){data->y, NULL}, axis, &bench.context,
						   &arena, &out[2]),
			 0);
	plan.seed++;
	assert_int_equal(ps_spearman_interval(&plan,
					      &(ps_paired){.x = data->x,
							   .y = data->y,
							   .count = data->count,
							   .axis = axis},
					      &bench.context, &arena, &out[3]),
			 0);
	plan.seed++;
	assert_int_equal(ps_spearman_interval(&plan,
					      &(ps_paired){.x = data->x,
							   .y = data->y,
							   .held = {data->z},
							   .count = data->count,
							   .axis = axis},
					      &bench.context, &arena, &out[4]),
			 0);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static void intervals_equal_numpys_from_the_same_draws(void **state)
{
	static const char *const names[5] = {"ratio of sums", "mean", "paired difference",
					     "spearman", "partial spearman"};
	static struct data data;
	closeness c = {0};

	(void)state;
	for (int seed = 2; seed < 5; seed++) {
		double head[6], golden[15], partial;
		ps_interval out[5];

		golden_of("statistics", seed, head, 6);
		golden_of("bootstrap", seed, golden, 15);
		golden_of("partial", seed, &partial, 1);
		fill(&data, (uint64_t)seed, (size_t)head[0], (unsigned)head[1]);
		all_intervals(&data, 2, out);
		for (int i = 0; i < 5; i++) {
			analysis_add_interval(&c, names[i], &out[i], golden + 3 * i);
			assert_int_equal(out[i].replicates, 200);
		}
		closeness_add_named(&c, "partial spearman", out[4].estimate, partial, 1);
	}
	assert_closeness(&c, "intervals", LIMIT);
}

static void threads_do_not_change_a_bit(void **state)
{
	static struct data data;
	ps_interval one[5], three[5];

	(void)state;
	fill(&data, 3, 333, 6);
	all_intervals(&data, 1, one);
	all_intervals(&data, 3, three);
	assert_memory_equal(one, three, sizeof one);
}

static void what_the_data_do_not_define_is_nan(void **state)
{
	const double same[4] = {2, 2, 2, 2}, other[4] = {1, 2, 3, 4}, holed[4] = {1, NAN, 2, 3},
		     zeros[4] = {0};
	const ps_bootstrap plan = {.replicates = 20, .confidence = 0.95, .seed = 1};
	const ps_axis four = {.count = 4}, none = {.count = 0};
	analysis_bench bench;
	ps_arena arena;
	ps_interval out;
	uint32_t order[4];
	double ranks[8];

	(void)state;
	assert_true(isnan(ps_mean(same, 0)) && isnan(ps_sd(same, 1)));
	assert_true(isnan(ps_spearman(same, other, 4, order, ranks)) &&
		    isnan(ps_spearman(holed, other, 4, order, ranks)) &&
		    isnan(ps_spearman(other, other, 1, order, ranks)));
	analysis_open(&bench, 1);
	assert_int_equal(
		ps_arena_create(&arena, ps_spearman_interval_bytes(&plan, 4, 1), &bench.diag), 0);
	assert_int_equal(ps_bootstrap_ratio(&plan, (ps_ratio){other, zeros}, four, &bench.context,
					    &arena, &out),
			 0);
	assert_true(isnan(out.estimate) && isnan(out.low) && isnan(out.high) &&
		    out.replicates == 0);
	assert_int_equal(ps_bootstrap_ratio(&plan, (ps_ratio){other, NULL}, none, &bench.context,
					    &arena, &out),
			 0);
	assert_true(isnan(out.estimate) && isnan(out.low));
	assert_int_equal(
		ps_spearman_interval(&plan,
				     &(ps_paired){.x = holed, .y = other, .count = 4, .axis = four},
				     &bench.context, &arena, &out),
		0);
	assert_true(isnan(out.estimate));
	assert_true(isnan(ps_kendall_w(same, 1, 4, &arena)));
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

/* As generate.py's groups() has them. */
static void correlations_of_groups_equal_numpys(void **state)
{
	enum { ITEMS = 60, GROUPS = 20, FEW = 4 };
	static double x[ITEMS], y[ITEMS], z[ITEMS], w[ITEMS];
	uint32_t group[ITEMS], coarse[ITEMS];
	const ps_bootstrap plan = {.replicates = 100, .confidence = 0.95, .seed = 16};
	ps_paired data = {.x = x,
			  .y = y,
			  .held = {z, w},
			  .count = ITEMS,
			  .group = group,
			  .axis = {.count = GROUPS, .unit = PS_UNIT_MODELS}};
	double golden[3 + 2 * FEW], within[FEW], without[FEW], ignored[FEW];
	closeness c = {0};
	analysis_bench bench;
	ps_interval out;
	ps_arena arena;

	(void)state;
	analysis_golden("groups", golden, 3 + 2 * FEW);
	analysis_fill_vector(x, ITEMS, 400, 0, NULL);
	analysis_fill_vector(z, ITEMS, 401, 0, NULL);
	analysis_fill_vector(w, ITEMS, 402, 0, NULL);
	analysis_fill_vector(y, ITEMS, 403, 0, x);
	for (uint32_t i = 0; i < ITEMS; i++) {
		y[i] += z[i];
		group[i] = i * 7 % GROUPS;
		coarse[i] = i % FEW;
	}
	analysis_open(&bench, 2);
	assert_int_equal(
		ps_arena_create(&arena, ps_spearman_interval_bytes(&plan, ITEMS, 2), &bench.diag),
		0);
	assert_int_equal(ps_spearman_interval(&plan, &data, &bench.context, &arena, &out), 0);
	analysis_add_interval(&c, "partial, groups resampled", &out, golden);
	assert_true(out.n == GROUPS && out.unit == PS_UNIT_MODELS && out.why == PS_WHY_NONE);
	data = (ps_paired){.x = x, .y = y, .count = ITEMS, .group = coarse, .axis = {.count = FEW}};
	ps_spearman_groups(&data, &arena, within, ignored);
	data.held[0] = z;
	ps_spearman_groups(&data, &arena, ignored, without);
	for (int g = 0; g < FEW; g++) {
		closeness_add_named(&c, "within", within[g], golden[3 + g], 1);
		closeness_add_named(&c, "without", without[g], golden[3 + FEW + g], 1);
	}
	assert_closeness(&c, "correlations of groups", 1e-13);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

/* More groups than items that have the numbers, and a variable that the held one determines. */
static void few_items_and_what_is_determined_give_nan(void **state)
{
	const double x[4] = {1, 2, 3, 4}, y[4] = {2, 1, 4, 3};
	const uint32_t group[4] = {0, 0, 8, 8};
	double within[9], without[9];
	ps_paired data = {.x = x, .y = y, .count = 4, .group = group, .axis = {.count = 9}};
	ps_arena arena;

	(void)state;
	assert_int_equal(ps_arena_create(&arena, ps_spearman_groups_bytes(4, 9), NULL), 0);
	ps_spearman_groups(&data, &arena, within, without);
	assert_true(isnan(within[0]) && isnan(within[8]) && isnan(without[8]));
	assert_near(without[3], 0.6, 1e-15);
	data.held[0] = x;
	ps_spearman_groups(&data, &arena, within, without);
	assert_true(isnan(without[3]));
	ps_arena_destroy(&arena);
}

/* The point of resampling clusters: copies within a cluster do not narrow the interval. */
static void copies_within_a_cluster_add_no_certainty(void **state)
{
	enum { N = 60, COPIES = 25 };
	static double values[N], sums[N], counts[N];
	const ps_bootstrap plan = {.replicates = 300, .confidence = 0.95, .seed = 4};
	const ps_axis axis = {.count = N};
	analysis_bench bench;
	ps_arena arena;
	ps_interval plain, copied;

	(void)state;
	analysis_fill_vector(values, N, 8, 0, NULL);
	for (size_t i = 0; i < N; i++) {
		sums[i] = COPIES * values[i];
		counts[i] = COPIES;
	}
	analysis_open(&bench, 2);
	assert_int_equal(ps_arena_create(&arena, ps_bootstrap_bytes(&plan, N, 2), &bench.diag), 0);
	assert_int_equal(ps_bootstrap_ratio(&plan, (ps_ratio){values, NULL}, axis, &bench.context,
					    &arena, &plain),
			 0);
	assert_int_equal(ps_bootstrap_ratio(&plan, (ps_ratio){sums, counts}, axis, &bench.context,
					    &arena, &copied),
			 0);
	assert_near(plain.low, copied.low, 1e-15);
	assert_near(plain.high, copied.high, 1e-15);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimates_equal_scipys),
		cmocka_unit_test(the_order_puts_ties_by_index),
		cmocka_unit_test(kendalls_w_corrects_for_ties),
		cmocka_unit_test(intervals_equal_numpys_from_the_same_draws),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(what_the_data_do_not_define_is_nan),
		cmocka_unit_test(correlations_of_groups_equal_numpys),
		cmocka_unit_test(few_items_and_what_is_determined_give_nan),
		cmocka_unit_test(copies_within_a_cluster_add_no_certainty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
