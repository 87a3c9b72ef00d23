/* analysis/over_seeds: the mean over seeds against the formulas, worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/over_seeds.h"
#include "test/support/support_close.h"

/* Student's quantiles at 0.975. */
#define T_39 2.022691
#define T_19 2.093024

static const ps_interval_law law = {.confidence = 0.95};

static ps_interval interval(double estimate, double error, size_t n, ps_unit unit)
{
	ps_interval out = {
		.estimate = estimate, .error = error, .n = n, .unit = unit, .kind = PS_KIND_T};

	ps_interval_set(&out, &(ps_interval_law){.confidence = 0.95, .df = (double)n - 1});
	return out;
}

static ps_interval mean_of(const ps_interval *seed, size_t count)
{
	ps_interval out;

	ps_over_seeds((ps_of_seeds){seed, sizeof *seed, count}, &law, &out);
	return out;
}

static void one_seed_is_handed_on(void **state)
{
	const ps_interval own = interval(0.3, 0.1, 40, PS_UNIT_LATENTS);
	ps_two_way_result seed = {own, own, own}, out;
	ps_interval mean = mean_of(&own, 1);

	(void)state;
	assert_memory_equal(&mean, &own, sizeof own);
	seed.both.low = 7; /* is not computed anew */
	ps_over_seeds_two_way((ps_of_seeds){&seed, sizeof seed, 1}, 0.95, &out);
	assert_memory_equal(&out, &seed, sizeof out);
	assert_true(isnan(mean_of(&own, 0).estimate));
}

/* All seeds see the same windows, so the errors do not average out. */
static void windows_are_common_to_all_seeds(void **state)
{
	const ps_interval seed[3] = {interval(0.1, 0.2, 40, PS_UNIT_WINDOWS),
				     interval(0.2, 0.4, 40, PS_UNIT_WINDOWS),
				     interval(0.6, 0.3, 40, PS_UNIT_WINDOWS)};
	const ps_interval mean = mean_of(seed, 3);

	(void)state;
	assert_near(mean.estimate, 0.3, 1e-12);
	assert_near(mean.error, 0.3, 1e-12);
	assert_near(mean.high, 0.3 + T_39 * 0.3, 1e-6);
	assert_int_equal(mean.n, 40);
	assert_int_equal(mean.unit, PS_UNIT_WINDOWS);
}

/* Each seed has latents of its own: 0.3 and 0.4 make 0.5 / 2. Two equal errors of 20 latents each
 * have 38 degrees of freedom together. */
static void latents_are_each_seeds_own(void **state)
{
	const ps_interval unequal[2] = {interval(1, 0.3, 400, PS_UNIT_LATENTS),
					interval(2, 0.4, 300, PS_UNIT_LATENTS)},
			  equal[2] = {interval(1, 0.2, 20, PS_UNIT_LATENTS),
				      interval(2, 0.2, 20, PS_UNIT_LATENTS)};
	ps_interval mean = mean_of(unequal, 2);

	(void)state;
	assert_near(mean.estimate, 1.5, 1e-12);
	assert_near(mean.error, 0.25, 1e-12);
	assert_int_equal(mean.n, 300);
	mean = mean_of(equal, 2);
	assert_near(mean.error, 0.2 / sqrt(2), 1e-12);
	assert_near((mean.high - mean.estimate) / mean.error, 2.024394, 1e-6); /* t of 38 */
}

/* Squared errors of windows 4 and 4, of latents 9 and 9, of both 13: no cells. The mean's: windows
 * 4, latents 18 / 4. */
static void both_units_are_put_together(void **state)
{
	const ps_two_way_result own = {.both = interval(1, sqrt(13), 20, PS_UNIT_WINDOWS_LATENTS),
				       .rows = interval(1, 2, 20, PS_UNIT_WINDOWS),
				       .columns = interval(1, 3, 100, PS_UNIT_LATENTS)};
	const ps_two_way_result seed[2] = {own, own};
	const double square = 4 + 4.5, df = square * square / (16. / 19 + 4.5 * 4.5 / 198);
	ps_two_way_result out;

	(void)state;
	ps_over_seeds_two_way((ps_of_seeds){seed, sizeof *seed, 2}, 0.95, &out);
	assert_near(out.both.estimate, 1, 1e-12);
	assert_near(out.both.error, sqrt(square), 1e-12);
	assert_near(out.rows.error, 2, 1e-12);
	assert_near(out.columns.error, 3 / sqrt(2), 1e-12);
	assert_int_equal(out.both.n, 20);
	assert_int_equal(out.both.unit, PS_UNIT_WINDOWS_LATENTS);
	assert_true(df > 70 && out.both.high - 1 < T_19 * out.both.error);
	assert_near((out.both.high - 1) / out.both.error, 1.99, 0.01);
}

/* Squared errors 4 and 9 with 2 of cells, which are in both: 11 together. Cells average out with
 * the latents: windows 11 - 9, latents 18 / 4. */
static void cells_are_each_seeds_own(void **state)
{
	const ps_two_way_result own = {.both = interval(1, sqrt(11), 20, PS_UNIT_WINDOWS_LATENTS),
				       .rows = interval(1, 2, 20, PS_UNIT_WINDOWS),
				       .columns = interval(1, 3, 100, PS_UNIT_LATENTS)};
	const ps_two_way_result seed[2] = {own, own};
	ps_two_way_result out;

	(void)state;
	ps_over_seeds_two_way((ps_of_seeds){seed, sizeof *seed, 2}, 0.95, &out);
	assert_near(out.both.error, sqrt(2 + 4.5), 1e-12);
}

static void a_seed_without_a_number_leaves_none(void **state)
{
	const ps_interval own = interval(1, 0.3, 40, PS_UNIT_LATENTS);
	ps_interval seed[2] = {own, ps_no_interval()}, few[2] = {own, own}, mean;
	double numbers[3] = {1, (double)NAN, 4};

	(void)state;
	mean = mean_of(seed, 2);
	assert_true(isnan(mean.estimate) && mean.why == PS_WHY_UNDEFINED);
	few[1].n = 9;
	mean = mean_of(few, 2);
	assert_true(isnan(mean.low) && mean.why == PS_WHY_FEW && mean.n == 9);
	assert_near(mean.estimate, 1, 1e-12);
	assert_near(ps_over_seeds_mean((ps_of_seeds){numbers, sizeof *numbers, 3}), 2.5, 1e-12);
	assert_true(isnan(ps_over_seeds_mean((ps_of_seeds){numbers + 1, sizeof *numbers, 1})));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_seed_is_handed_on),
		cmocka_unit_test(windows_are_common_to_all_seeds),
		cmocka_unit_test(latents_are_each_seeds_own),
		cmocka_unit_test(both_units_are_put_together),
		cmocka_unit_test(cells_are_each_seeds_own),
		cmocka_unit_test(a_seed_without_a_number_leaves_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
