#include "test/support/support_close.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static double error_of(double got, double want, double unit)
{
	double error;

	if (got == want)
		return 0;
	if (!isfinite(got) || !isfinite(want))
		return INFINITY;
	error = fabs(got - want) / unit;
	return isnan(error) ? INFINITY : error;
}

void closeness_add_named(closeness *c, const char *name, double got, double want, double unit)
{
	const double error = error_of(got, want, unit);

	if (isfinite(want))
		c->largest = fmax(c->largest, fabs(want));
	if (!c->count || error > c->error) {
		c->error = error;
		c->got = got;
		c->want = want;
		c->place = c->count;
		c->name = name;
	}
	c->count++;
}

void closeness_add(closeness *c, double got, double want, double unit)
{
	closeness_add_named(c, NULL, got, want, unit);
}

void closeness_add_floats(closeness *c, const float *got, const float *want, size_t count)
{
	for (size_t i = 0; i < count; i++)
		closeness_add(c, (double)got[i], (double)want[i], 1);
}

void closeness_add_doubles(closeness *c, const double *got, const double *want, size_t count)
{
	for (size_t i = 0; i < count; i++)
		closeness_add(c, got[i], want[i], 1);
}

double closeness_share(const closeness *c)
{
	return c->error > 0 ? c->error / c->largest : c->error;
}

bool closeness_judge(const closeness *c, const char *what, double error, double limit, char *text,
		     size_t text_bytes)
{
	if (!c->count) {
		snprintf(text, text_bytes, "%s: no value was compared", what);
		return false;
	}
	if (error <= limit) {
		snprintf(text, text_bytes, "%s: largest error %.2g (threshold %g)", what, error,
			 limit);
		return true;
	}
	snprintf(text, text_bytes,
		 "%s: largest error %.3g exceeds the threshold %g: value %zu of %zu%s%s is %.9g, "
		 "expected %.9g",
		 what, error, limit, c->place, c->count, c->name ? ", " : "",
		 c->name ? c->name : "", c->got, c->want);
	return false;
}

void closeness_assert_at(const closeness *c, const char *what, double error, double limit,
			 const char *file, int line)
{
	char text[256];

	if (closeness_judge(c, what, error, limit, text, sizeof text)) {
		print_message("%s\n", text);
		return;
	}
	print_error("%s\n", text);
	_fail(file, line);
}

void near_assert_at(double got, double want, double limit, const char *what, const char *file,
		    int line)
{
	if (error_of(got, want, 1) <= limit)
		return;
	print_error("%s is %.17g, expected %.17g within %g\n", what, got, want, limit);
	_fail(file, line);
}
