/* analysis/distributions against SciPy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "analysis/distributions.h"
#include "test/support/support_analysis.h"
#include "test/support/support_close.h"

enum { DEGREES = 17, TAILS = 16, SHARES = 13, SCORES = 16 };

#define LIMIT 5e-13 /* of the value itself */

/* Lines of the goldens: degrees of freedom, then pairs of an argument and its value. */
static void compare(closeness *c, const char *what, size_t pairs,
		    double (*function)(double, double))
{
	for (int i = 0; i < DEGREES; i++) {
		double golden[1 + 2 * TAILS];
		char name[32];

		snprintf(name, sizeof name, "%s.%d", what, i);
		analysis_golden(name, golden, 1 + 2 * pairs);
		for (size_t j = 0; j < pairs; j++) {
			const double *pair = golden + 1 + 2 * j;

			closeness_add(c, function(pair[0], golden[0]), pair[1], fabs(pair[1]));
		}
	}
}

static void students_tails_equal_scipys(void **state)
{
	closeness c = {0};

	(void)state;
	compare(&c, "student_tail", TAILS, ps_student_tail);
	assert_closeness(&c, "Student's tail, relative", LIMIT);
}

static void students_quantiles_equal_scipys(void **state)
{
	closeness c = {0};

	(void)state;
	compare(&c, "student_quantile", SHARES, ps_student_quantile);
	assert_closeness(&c, "Student's quantile, relative", LIMIT);
}

static void normal_quantiles_equal_scipys(void **state)
{
	double golden[2 * SCORES];
	closeness c = {0};

	(void)state;
	analysis_golden("normal_quantile", golden, 2 * SCORES);
	for (size_t i = 0; i < SCORES; i++)
		closeness_add(&c, ps_normal_quantile(golden[2 * i]), golden[2 * i + 1],
			      fabs(golden[2 * i + 1]));
	assert_closeness(&c, "normal quantile, relative", LIMIT);
}

/* With one degree of freedom: 1/2 - atan(t) / pi, which is 1 / (pi t) far out. */
static void far_tails_neither_overflow_nor_vanish(void **state)
{
	(void)state;
	assert_near(ps_student_tail(1e200, 1) * 1e200 * M_PI, 1, 1e-13);
	assert_near(ps_student_quantile(1e-100, 1) * 1e-100 * M_PI, -1, 1e-13);
	assert_true(ps_student_tail((double)INFINITY, 7) == 0);
	assert_true(ps_student_tail(-(double)INFINITY, 7) == 1);
}

static void ends_are_infinite_and_nan_stays(void **state)
{
	(void)state;
	assert_true(ps_student_quantile(0, 3) == -(double)INFINITY);
	assert_true(ps_student_quantile(1, 3) == (double)INFINITY);
	assert_true(ps_normal_quantile(0) == -(double)INFINITY);
	assert_true(ps_normal_quantile(1) == (double)INFINITY);
	assert_true(isnan(ps_normal_quantile(-0.1)) && isnan(ps_normal_quantile(1.1)));
	assert_true(isnan(ps_student_quantile(2, 3)) && isnan(ps_student_quantile(NAN, 3)));
	assert_true(isnan(ps_student_tail(NAN, 3)) && isnan(ps_student_tail(1, NAN)));
	assert_true(isnan(ps_student_quantile(0.9, NAN)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(students_tails_equal_scipys),
		cmocka_unit_test(students_quantiles_equal_scipys),
		cmocka_unit_test(normal_quantiles_equal_scipys),
		cmocka_unit_test(far_tails_neither_overflow_nor_vanish),
		cmocka_unit_test(ends_are_infinite_and_nan_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
