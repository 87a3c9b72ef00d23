/* analysis/fragility against numpy: quintiles, survival, intervals from the same draws. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/fragility.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

#define LIMIT 2e-15
#define LATENTS 250
#define CLUSTERS 30

struct data {
	uint32_t counts[CLUSTERS * LATENTS];
	uint64_t firing[LATENTS];
	uint8_t survived[LATENTS], control[LATENTS];
	ps_firing by_cluster;
};

/* As generate.py's fragility() makes them. */
static void fill(struct data *data, uint64_t seed, size_t latents, size_t clusters, unsigned levels)
{
	static float noise[CLUSTERS * LATENTS];

	analysis_fill_matrix(noise, clusters * latents, 700 + seed, levels);
	memset(data->firing, 0, sizeof data->firing);
	for (size_t i = 0; i < clusters * latents; i++) {
		size_t j = i % latents;

		data->counts[i] =
			noise[i] > (float)(j % 3) ? (uint32_t)noise[i] - (uint32_t)(j % 3) : 0;
		data->firing[j] += data->counts[i];
	}
	analysis_fill_matrix(noise, latents, 800 + seed, 0);
	for (size_t j = 0; j < latents; j++)
		data->survived[j] =
			(double)noise[j] + 0.5 < 0.8 - 0.5 * (double)j / (double)latents;
	analysis_fill_matrix(noise, latents, 850 + seed, 0);
	for (size_t j = 0; j < latents; j++)
		data->control[j] = (double)noise[j] + 0.5 < 0.7 - 0.3 * (double)j / (double)latents;
	data->by_cluster = (ps_firing){.counts = data->counts,
				       .total = data->firing,
				       .clusters = clusters,
				       .latents = latents};
}

static void run(const struct data *data, size_t latents, int threads, ps_fragility *out)
{
	const ps_bootstrap plan = {.replicates = 100, .confidence = 0.95, .seed = 21};
	analysis_bench bench;
	ps_arena arena;

	analysis_open(&bench, threads);
	assert_int_equal(ps_arena_create(&arena,
					 ps_fragility_bytes(latents, data->by_cluster.clusters,
							    &plan, threads),
					 &bench.diag),
			 0);
	assert_int_equal(ps_fragility_run(&(ps_fragility_input){.firing = data->firing,
								.survived = data->survived,
								.control = data->control,
								.latents = latents,
								.by_cluster = &data->by_cluster},
					  &plan, &bench.context, &arena, out),
			 0);
	ps_arena_destroy(&arena);
	analysis_close(&bench);
}

static void quintiles_and_intervals_equal_numpys(void **state)
{
	static struct data data;
	closeness c = {0};

	(void)state;
	for (int seed = 0; seed < 3; seed++) {
		double golden[37];
		char name[32];
		ps_fragility out;

		snprintf(name, sizeof name, "fragility.%d", seed);
		analysis_golden(name, golden, 37);
		fill(&data, (uint64_t)seed, (size_t)golden[0], (size_t)golden[1],
		     (unsigned)golden[2]);
		run(&data, (size_t)golden[0], 2, &out);
		assert_int_equal(out.alive, golden[3]);
		for (int q = 0; q < PS_QUINTILES; q++) {
			assert_int_equal(out.size[q], golden[4 + q]);
			closeness_add_named(&c, "S(Q)", out.survival[q], golden[9 + q], 1);
			closeness_add_named(&c, "S(Q) of the control", out.control_survival[q],
					    golden[14 + q], 1);
		}
		analysis_add_interval(&c, "S(Q1) - S(Q5)", &out.difference.both, golden + 19);
		analysis_add_interval(&c, "S(Q1) - S(Q5) over latents", &out.difference.columns,
				      golden + 25);
		analysis_add_interval(&c, "S(Q1) - S(Q5) over clusters", &out.difference.rows,
				      golden + 22);
		analysis_add_interval(&c, "less the control's", &out.less_control.both,
				      golden + 28);
		analysis_add_interval(&c, "rho over quintiles", &out.rho_quintiles, golden + 31);
		analysis_add_interval(&c, "rho over latents", &out.rho_latents, golden + 34);
	}
	assert_closeness(&c, "measures", LIMIT);
}

static void threads_do_not_change_a_bit(void **state)
{
	static struct data data;
	ps_fragility one, three;

	(void)state;
	fill(&data, 1, LATENTS, CLUSTERS, 2);
	run(&data, LATENTS, 1, &one);
	run(&data, LATENTS, 3, &three);
	assert_memory_equal(&one, &three, sizeof one);
}

static void silent_latents_are_in_no_quintile(void **state)
{
	const uint64_t firing[12] = {0, 5, 5, 0, 1, 9, 0, 7, 2, 2, 8, 0};
	const uint32_t expected[8] = {4, 8, 9, 1, 2, 7, 10, 5};
	size_t first[PS_QUINTILES + 1];
	const size_t cuts[PS_QUINTILES + 1] = {0, 1, 3, 4, 6, 8};
	double rates[12];
	uint32_t order[12];

	(void)state;
	assert_int_equal(ps_fragility_order(firing, 12, rates, order, first), 8);
	assert_memory_equal(order, expected, sizeof expected);
	assert_memory_equal(first, cuts, sizeof cuts);
}

static void too_few_latents_leave_quintiles_undefined(void **state)
{
	static struct data data;
	ps_fragility out;

	(void)state;
	fill(&data, 2, 9, 4, 3);
	for (size_t j = 0; j < 9; j++)
		data.firing[j] = j < 2;
	memset(data.counts, 0, sizeof data.counts);
	run(&data, 9, 1, &out);
	assert_int_equal(out.alive, 2);
	assert_true(isnan(out.survival[0]) && isnan(out.difference.columns.estimate) &&
		    isnan(out.rho_quintiles.low));
	assert_true(isnan(out.difference.rows.estimate) &&
		    out.difference.both.why == PS_WHY_UNDEFINED);
	memset(data.firing, 0, sizeof data.firing);
	run(&data, 9, 1, &out);
	assert_true(out.alive == 0 && isnan(out.difference.columns.estimate) &&
		    isnan(out.rho_latents.estimate));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quintiles_and_intervals_equal_numpys),
		cmocka_unit_test(threads_do_not_change_a_bit),
		cmocka_unit_test(silent_latents_are_in_no_quintile),
		cmocka_unit_test(too_few_latents_leave_quintiles_undefined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
