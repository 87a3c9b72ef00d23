/* The comparison that every numeric test uses fails on wrong numbers, NaN and missing values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/support_close.h"

static bool within(const closeness *c, double limit)
{
	char text[256];

	return closeness_judge(c, "values", c->error, limit, text, sizeof text);
}

static closeness of_pair(double got, double want)
{
	closeness c = {0};

	closeness_add(&c, got, want, 1);
	return c;
}

static void the_largest_error_is_kept_with_its_place(void **state)
{
	const float got[] = {1, 2, 3.5f, 4.25f}, want[] = {1, 2, 3, 4};
	closeness c = {0};
	char text[256];

	(void)state;
	closeness_add_floats(&c, got, want, 4);
	assert_true(c.count == 4 && c.error == 0.5 && c.place == 2);
	assert_true(c.got == 3.5 && c.want == 3 && c.largest == 4);
	assert_true(closeness_share(&c) == 0.125);
	assert_true(within(&c, 0.5) && !within(&c, 0.499));
	closeness_judge(&c, "values", c.error, 0.1, text, sizeof text);
	assert_string_equal(text, "values: largest error 0.5 exceeds the threshold 0.1: value 2 "
				  "of 4 is 3.5, expected 3");
}

static void errors_are_in_units_and_may_have_names(void **state)
{
	closeness c = {0};

	(void)state;
	closeness_add_named(&c, "first", 12, 10, 10);
	closeness_add_named(&c, "second", 101, 100, 2);
	assert_true(c.error == 0.5);
	assert_string_equal(c.name, "second");
}

static void what_is_not_a_number_never_passes(void **state)
{
	const double bad[] = {NAN, -NAN, INFINITY, -INFINITY};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		closeness got = of_pair(bad[i], 1), want = of_pair(1, bad[i]);

		assert_false(within(&got, 1e300));
		assert_false(within(&want, 1e300));
		assert_true(isinf(closeness_share(&got)) && isinf(closeness_share(&want)));
	}
	assert_false(within(&(closeness[]){of_pair(NAN, NAN)}[0], 1e300));
	assert_false(within(&(closeness[]){of_pair(INFINITY, -INFINITY)}[0], 1e300));
	assert_true(within(&(closeness[]){of_pair(INFINITY, INFINITY)}[0], 0));
	assert_true(within(&(closeness[]){of_pair(-INFINITY, -INFINITY)}[0], 0));
}

static void one_nan_among_good_values_is_found(void **state)
{
	float got[100], want[100];

	(void)state;
	for (size_t bad = 0; bad < 100; bad += 33)
		for (int side = 0; side < 2; side++) {
			closeness c = {0};

			for (size_t i = 0; i < 100; i++)
				got[i] = want[i] = (float)i;
			(side ? got : want)[bad] = NAN;
			closeness_add_floats(&c, got, want, 100);
			assert_false(within(&c, 1e300));
			assert_int_equal(c.place, bad);
			assert_true(isinf(closeness_share(&c)));
		}
}

static void equal_infinities_do_not_hide_other_errors(void **state)
{
	closeness c = {0};

	(void)state;
	closeness_add(&c, INFINITY, INFINITY, 1);
	closeness_add(&c, 3, 2, 1);
	assert_true(c.error == 1 && closeness_share(&c) == 0.5);
}

static void nothing_compared_is_a_failure(void **state)
{
	const closeness c = {0};

	(void)state;
	assert_false(within(&c, 1e300));
}

static void a_unit_or_scale_of_zero_demands_equality(void **state)
{
	closeness c = {0};

	(void)state;
	closeness_add(&c, 0, 0, 0);
	assert_true(within(&c, 0) && closeness_share(&c) == 0);
	closeness_add(&c, 1e-30, 0, 0);
	assert_false(within(&c, 1e300));
	assert_true(isinf(closeness_share(&c)));
	c = (closeness){0};
	closeness_add(&c, 1, 2, NAN);
	assert_false(within(&c, 1e300));
}

static void a_limit_that_is_not_a_number_is_not_kept(void **state)
{
	const closeness c = of_pair(1, 2);

	(void)state;
	assert_false(within(&c, NAN));
}

static void compares_a_nan(void **state)
{
	const closeness c = of_pair(NAN, 1);

	(void)state;
	assert_closeness(&c, "a NaN", 1);
}

static void compares_a_share_of_a_nan(void **state)
{
	const closeness c = of_pair(1, NAN);

	(void)state;
	assert_closeness_share(&c, "a NaN", 1);
}

static void compares_one_nan(void **state)
{
	(void)state;
	assert_near(NAN, 1, 1);
}

static void compares_two_that_differ(void **state)
{
	(void)state;
	assert_near(1, 1.5, 0.25);
}

/* The exit status of a process that runs one test. */
static int status_of(const struct CMUnitTest *test)
{
	const pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(99);
		_exit(_cmocka_run_group_tests("planted", test, 1, NULL, NULL));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void the_assertions_fail_the_test_that_makes_them(void **state)
{
	const struct CMUnitTest planted[] = {
		cmocka_unit_test(compares_a_nan),
		cmocka_unit_test(compares_a_share_of_a_nan),
		cmocka_unit_test(compares_one_nan),
		cmocka_unit_test(compares_two_that_differ),
	};
	const struct CMUnitTest good = cmocka_unit_test(nothing_compared_is_a_failure);

	(void)state;
	for (size_t i = 0; i < sizeof planted / sizeof *planted; i++)
		assert_int_equal(status_of(&planted[i]), 1);
	assert_int_equal(status_of(&good), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_error_is_kept_with_its_place),
		cmocka_unit_test(errors_are_in_units_and_may_have_names),
		cmocka_unit_test(what_is_not_a_number_never_passes),
		cmocka_unit_test(one_nan_among_good_values_is_found),
		cmocka_unit_test(equal_infinities_do_not_hide_other_errors),
		cmocka_unit_test(nothing_compared_is_a_failure),
		cmocka_unit_test(a_unit_or_scale_of_zero_demands_equality),
		cmocka_unit_test(a_limit_that_is_not_a_number_is_not_kept),
		cmocka_unit_test(the_assertions_fail_the_test_that_makes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
