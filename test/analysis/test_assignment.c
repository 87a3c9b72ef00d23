/* analysis/assignment against scipy's totals, and against its own proof of optimality. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/assignment.h"
#include "test/support/support_analysis.h"

#define CASES 12

/* Columns are taken once, duals exceed costs nowhere, and untaken columns of a wide problem have no
 * dual. */
static void check_proof(const float *cost, size_t rows, size_t cols, const ps_assignment *solved)
{
	uint8_t *taken = calloc(cols, 1);
	closeness excesses = {0};
	double dual = 0;

	assert_non_null(taken);
	for (size_t i = 0; i < rows; i++) {
		assert_true(solved->column[i] < cols);
		assert_false(taken[solved->column[i]]);
		taken[solved->column[i]] = 1;
		dual += solved->row_dual[i];
		for (size_t j = 0; j < cols; j++) {
			double excess = solved->row_dual[i] + solved->col_dual[j] -
					(double)cost[i * cols + j];

			closeness_add(&excesses, excess <= 0 ? 0 : excess, 0, 1);
		}
	}
	assert_closeness(&excesses, "duals' excess over the cost", 1e-12);
	for (size_t j = 0; j < cols; j++) {
		dual += solved->col_dual[j];
		if (rows < cols)
			assert_true(taken[j] ? solved->col_dual[j] <= 0 : solved->col_dual[j] == 0);
	}
	assert_near(dual, solved->total, 1e-11);
	free(taken);
}

static void solve_and_check(const float *cost, size_t rows, size_t cols, double expected,
			    double limit)
{
	analysis_bench bench;
	ps_arena arena;
	ps_assignment solved;

	analysis_open(&bench, 1);
	assert_int_equal(ps_arena_create(&arena, ps_assignment_bytes(rows, cols), &bench.diag), 0);
	assert_int_equal(ps_assignment_solve(cost, rows, cols, &bench.context, &arena, &solved), 0);
	check_proof(cost, rows, cols, &solved);
	assert_near(solved.total, expected, limit);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static void totals_equal_scipys(void **state)
{
	(void)state;
	for (int c = 0; c < CASES; c++) {
		double golden[4];
		char name[32];
		size_t rows, cols;
		float *cost;

		snprintf(name, sizeof name, "assignment.%d", c);
		analysis_golden(name, golden, 4);
		rows = (size_t)golden[0];
		cols = (size_t)golden[1];
		cost = malloc(rows * cols * sizeof *cost);
		assert_non_null(cost);
		analysis_fill_matrix(cost, rows * cols, (uint64_t)c, (unsigned)golden[2]);
		solve_and_check(cost, rows, cols, golden[3], 1e-11);
		free(cost);
	}
}

static void equal_costs_are_no_trap(void **state)
{
	enum { N = 700 };
	float *cost = calloc(N * N, sizeof *cost);

	(void)state;
	assert_non_null(cost);
	solve_and_check(cost, N, N, 0, 0);
	for (size_t i = 0; i < N * N; i++)
		cost[i] = i / N < N / 2 ? -0.3f : 0;
	solve_and_check(cost, N, N, (double)-0.3f * (N / 2), 1e-11);
	free(cost);
}

static void differences_below_single_precision_of_the_sum_count(void **state)
{
	/* The two assignments differ by 2^-24 in a sum near 2^10. */
	const float cost[9] = {1024, 0x1p-20f, 2048, 512,     512 + 0x1p-14f,
			       4096, 1024,     1024, 0x1p-24f};

	(void)state;
	solve_and_check(cost, 3, 3, 512 + 0x1p-20 + 0x1p-24, 0);
}

static void more_rows_than_columns_is_refused(void **state)
{
	const float cost[2] = {1, 2};
	analysis_bench bench;
	ps_arena arena;
	ps_assignment solved;

	(void)state;
	analysis_open(&bench, 1);
	assert_int_equal(ps_arena_create(&arena, 4096, &bench.diag), 0);
	assert_int_equal(ps_assignment_solve(cost, 2, 1, &bench.context, &arena, &solved),
			 PS_EUSAGE);
	assert_non_null(strstr(bench.diag.text, "2 rows to 1 columns"));
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static int always_stopped(void *self)
{
	(void)self;
	return 1;
}

static void it_stops_when_asked(void **state)
{
	enum { N = 50 };
	static float cost[N * N];
	const ps_progress progress = {.stopped = always_stopped};
	analysis_bench bench;
	ps_arena arena;
	ps_assignment solved;

	(void)state;
	analysis_fill_matrix(cost, N * N, 3, 0);
	analysis_open(&bench, 1);
	bench.context.progress = &progress;
	assert_int_equal(ps_arena_create(&arena, ps_assignment_bytes(N, N), &bench.diag), 0);
	assert_int_equal(ps_assignment_solve(cost, N, N, &bench.context, &arena, &solved),
			 PS_EINTERRUPTED);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals_equal_scipys),
		cmocka_unit_test(equal_costs_are_no_trap),
		cmocka_unit_test(differences_below_single_precision_of_the_sum_count),
		cmocka_unit_test(more_rows_than_columns_is_refused),
		cmocka_unit_test(it_stops_when_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
