/* analysis/interval, bootstrap and auc: the rules for intervals, Holm, blocks, two units, AUC. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/auc.h"
#include "analysis/bootstrap.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

#define LIMIT 1e-12

static const ps_bootstrap plan = {.replicates = 200, .confidence = 0.95, .seed = 17};

static ps_interval of(double estimate, double error, size_t n)
{
	ps_interval i = {.estimate = estimate, .error = error, .n = n};

	ps_interval_set(&i, &(ps_interval_law){.confidence = 0.95, .df = (double)n - 1});
	return i;
}

static void an_interval_is_students(void **state)
{
	const ps_interval i = of(3, 1, 16), far = of(-300, 1, 16);

	(void)state;
	assert_near(i.low, 3 - 2.131450, 1e-12);
	assert_near(i.high, 3 + 2.131450, 1e-12);
	assert_near(i.p, 0.008972737, 1e-9); /* scipy.stats.t.sf(3, 15) * 2 */
	assert_true(i.why == PS_WHY_NONE && far.p < 1e-10);
}

static void there_is_no_interval_without_grounds(void **state)
{
	const ps_interval few = of(3, 1, 15), constant = of(3, 0, 16), none = of(NAN, 1, 16),
			  unknown = of(3, NAN, 16), single = of(3, NAN, 1);

	(void)state;
	assert_true(few.why == PS_WHY_FEW && single.why == PS_WHY_FEW &&
		    constant.why == PS_WHY_CONSTANT && none.why == PS_WHY_UNDEFINED &&
		    unknown.why == PS_WHY_UNDEFINED);
	assert_true(few.estimate == 3 && isnan(few.low) && isnan(few.high) && isnan(few.p));
	assert_true(isnan(constant.low) && isnan(none.high) && isnan(unknown.p));
	assert_string_equal(ps_no_interval_name(few.why), "too few");
	assert_string_equal(ps_no_interval_name(constant.why), "no variation");
	assert_string_equal(ps_no_interval_name(none.why), "not defined");
	assert_null(ps_no_interval_name(PS_WHY_NONE));
}

static void ends_are_cut_to_what_can_be(void **state)
{
	ps_interval i = of(0.9, 0.2, 16), none = of(0.9, 0, 16);

	(void)state;
	ps_interval_clip(&i, -1, 1);
	ps_interval_clip(&none, -1, 1);
	assert_true(i.high == 1 && i.low > 0.4 && isnan(none.high));
}

static void holms_p_equal_numpys(void **state)
{
	double p[40], adjusted[40], golden[40];
	closeness c = {0};

	(void)state;
	analysis_golden("holm", golden, 40);
	analysis_fill_vector(p, 40, 520, 0, NULL);
	for (int i = 0; i < 40; i++)
		p[i] = p[i] * p[i] * 0.2;
	p[5] = p[3];
	p[9] = NAN;
	ps_holm(p, 40, adjusted);
	for (int i = 0; i < 40; i++)
		if (i == 9)
			assert_true(isnan(adjusted[i]));
		else
			closeness_add(&c, adjusted[i], golden[i], 1);
	assert_closeness(&c, "adjusted p", LIMIT);
}

static void blocks_equal_numpys(void **state)
{
	static double a[150], b[150], tokens[150];
	double golden[3], nine[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	closeness c = {0};
	analysis_bench bench;
	ps_interval out;
	ps_arena arena;

	(void)state;
	assert_int_equal(ps_block_sums(nine, 9, 4), 3);
	assert_true(nine[0] == 10 && nine[1] == 26 && nine[2] == 9);
	assert_int_equal(ps_block_sums(nine, 0, 4), 0);
	analysis_golden("blocks", golden, 3);
	analysis_fill_vector(a, 150, 530, 0, NULL);
	analysis_fill_vector(b, 150, 531, 0, NULL);
	analysis_fill_vector(tokens, 150, 532, 0, NULL);
	for (int i = 0; i < 150; i++)
		tokens[i] += 9;
	ps_block_sums(a, 150, 8);
	ps_block_sums(b, 150, 8);
	assert_int_equal(ps_block_sums(tokens, 150, 8), 19);
	analysis_open(&bench, 2);
	assert_int_equal(ps_arena_create(&arena, ps_bootstrap_bytes(&plan, 19, 2), &bench.diag), 0);
	assert_int_equal(ps_bootstrap_ratio_change(&plan, (ps_ratio){a, tokens},
						   (ps_ratio){b, tokens},
						   (ps_axis){.count = 19, .unit = PS_UNIT_BLOCKS},
						   &bench.context, &arena, &out),
			 0);
	analysis_add_interval(&c, "blocks of windows", &out, golden);
	assert_closeness(&c, "blocks", LIMIT);
	assert_string_equal(ps_unit_name(out.unit), "blocks of windows");
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

enum { ROWS = 20, COLUMNS = 30, THREADS_MOST = 3 };

/* A table's mean: rows, columns or both resampled. */
struct table {
	double cell[ROWS][COLUMNS];
	double of_columns[THREADS_MOST + 1][COLUMNS]; /* means over the drawn rows, by slot */
};

static void prepare(void *self, const uint32_t *weights, int slot)
{
	struct table *t = self;

	for (size_t c = 0; c < COLUMNS; c++) {
		t->of_columns[slot][c] = 0;
		for (size_t r = 0; r < ROWS; r++)
			t->of_columns[slot][c] += weights[r] * t->cell[r][c] / ROWS;
	}
}

static double value(void *self, const uint32_t *weights, int slot)
{
	const struct table *t = self;
	double sum = 0;

	for (size_t c = 0; c < COLUMNS; c++)
		sum += weights[c] * t->of_columns[slot][c] / COLUMNS;
	return sum;
}

static ps_two_way_result cross(struct table *table, int threads)
{
	const ps_bootstrap many = {.replicates = 4000, .confidence = 0.95, .seed = 3};
	const ps_two_way statistic = {.rows = {.count = ROWS, .unit = PS_UNIT_WINDOWS},
				      .columns = {.count = COLUMNS, .unit = PS_UNIT_LATENTS},
				      .both = PS_UNIT_WINDOWS_LATENTS,
				      .prepare = prepare,
				      .value = value,
				      .self = table};
	ps_two_way_result out;
	analysis_bench bench;
	ps_arena arena;

	analysis_open(&bench, threads);
	assert_int_equal(ps_arena_create(&arena, ps_two_way_bytes(&many, ROWS, COLUMNS, threads),
					 &bench.diag),
			 0);
	assert_int_equal(ps_two_way_run(&many, &statistic, &bench.context, &arena, &out), 0);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
	return out;
}

/* With effects of rows and of columns and no noise, the squares of the two errors add up. */
static void two_units_add_their_variances(void **state)
{
	static struct table table;
	double row[ROWS], column[COLUMNS];
	ps_two_way_result out, again;

	(void)state;
	analysis_fill_vector(row, ROWS, 540, 0, NULL);
	analysis_fill_vector(column, COLUMNS, 541, 0, NULL);
	for (size_t r = 0; r < ROWS; r++)
		for (size_t c = 0; c < COLUMNS; c++)
			table.cell[r][c] = row[r] + column[c];
	out = cross(&table, 1);
	assert_near(out.both.error / hypot(out.rows.error, out.columns.error), 1, 0.03);
	assert_true(out.both.n == ROWS && out.both.unit == PS_UNIT_WINDOWS_LATENTS &&
		    out.both.kind == PS_KIND_TWO_WAY && out.rows.kind == PS_KIND_T);
	assert_true(out.both.low < out.both.estimate && out.both.estimate < out.both.high);
	again = cross(&table, THREADS_MOST);
	assert_memory_equal(&out, &again, sizeof out);
}

/* Noise of single cells counts once, though resampling either unit shows it. */
static void noise_of_cells_counts_once(void **state)
{
	static struct table table;
	double cells[ROWS * COLUMNS], mean = 0, square = 0;
	ps_two_way_result out;

	(void)state;
	analysis_fill_vector(cells, ROWS * COLUMNS, 542, 0, NULL);
	for (size_t i = 0; i < ROWS * COLUMNS; i++)
		mean += cells[i] / (ROWS * COLUMNS);
	for (size_t i = 0; i < ROWS * COLUMNS; i++) {
		table.cell[i / COLUMNS][i % COLUMNS] = cells[i];
		square += (cells[i] - mean) * (cells[i] - mean);
	}
	out = cross(&table, 2);
	assert_near(out.both.error / (sqrt(square) / (ROWS * COLUMNS)), 1, 0.25);
}

/* The seed's auc fixture: generate.py's auc(). */
static void auc_of(int seed, closeness *c)
{
	enum { MOST = 1000, NUMBERS = 8 };
	static double score[MOST], chance[MOST];
	static uint8_t positive[MOST];
	double golden[NUMBERS];
	char name[16];
	ps_interval out;
	ps_arena arena;
	size_t n;

	snprintf(name, sizeof name, "auc.%d", seed);
	analysis_golden(name, golden, NUMBERS);
	n = (size_t)golden[0];
	analysis_fill_vector(score, n, 500 + (uint64_t)seed, (unsigned)golden[1], NULL);
	analysis_fill_vector(chance, n, 510 + (uint64_t)seed, 0, NULL);
	for (size_t i = 0; i < n; i++) {
		positive[i] = chance[i] + 0.5 < golden[2];
		score[i] += seed && positive[i] ? 0.4 : 0;
	}
	assert_int_equal(ps_arena_create(&arena, ps_auc_bytes(n), NULL), 0);
	ps_auc(&(ps_auc_data){score, positive, n}, 0.95, &arena, &out);
	analysis_add_interval(c, "AUC", &out, golden + 3);
	closeness_add_named(c, "DeLong's error", out.error, golden[6], 1);
	if (!out.why)
		closeness_add_named(c, "p, as Brunner and Munzel's", out.p, golden[7], 1);
	ps_arena_destroy(&arena);
}

static void auc_equals_scikit_learns(void **state)
{
	closeness c = {0};

	(void)state;
	for (int seed = 0; seed < 4; seed++)
		auc_of(seed, &c);
	assert_closeness(&c, "AUC", 1e-9);
}

static void auc_leaves_out_what_has_no_score(void **state)
{
	const double score[6] = {3, NAN, 1, 2, NAN, 0};
	const uint8_t positive[6] = {1, 0, 1, 0, 1, 0}, all[6] = {1, 1, 1, 1, 1, 1};
	ps_interval out;
	ps_arena arena;

	(void)state;
	assert_int_equal(ps_arena_create(&arena, ps_auc_bytes(6), NULL), 0);
	ps_auc(&(ps_auc_data){score, positive, 6}, 0.95, &arena, &out);
	assert_true(out.estimate == 0.75 && out.n == 2 && out.why == PS_WHY_FEW);
	ps_auc(&(ps_auc_data){score, all, 6}, 0.95, &arena, &out);
	assert_true(isnan(out.estimate) && out.why == PS_WHY_UNDEFINED);
	ps_arena_destroy(&arena);
}

static void the_held_out_direction_is_the_others(void **state)
{
	const double auc[4] = {0.3, 0.4, 0.9, NAN}, one[2] = {0.7, NAN};
	double held_out[4];

	(void)state;
	ps_auc_held_out(auc, 4, held_out);
	assert_near(held_out[0], 0.3, 1e-15); /* the others' mean is 0.65 */
	assert_near(held_out[1], 0.4, 1e-15);
	assert_near(held_out[2], 0.1, 1e-15); /* 0.35: low values survive elsewhere */
	assert_true(isnan(held_out[3]));
	ps_auc_held_out(one, 2, held_out);
	assert_true(isnan(held_out[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interval_is_students),
		cmocka_unit_test(there_is_no_interval_without_grounds),
		cmocka_unit_test(ends_are_cut_to_what_can_be),
		cmocka_unit_test(holms_p_equal_numpys),
		cmocka_unit_test(blocks_equal_numpys),
		cmocka_unit_test(two_units_add_their_variances),
		cmocka_unit_test(noise_of_cells_counts_once),
		cmocka_unit_test(auc_equals_scikit_learns),
		cmocka_unit_test(auc_leaves_out_what_has_no_score),
		cmocka_unit_test(the_held_out_direction_is_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
