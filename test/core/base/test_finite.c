/* core/base/finite.c: finds NaN and infinities at every place of an array of any length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <float.h>
#include <math.h>

#include <cmocka.h>

#include "core/base/finite.h"

enum { LENGTH_MAX = 200 };

static const uint32_t bad_bits[] = {0x7f800000, 0xff800000, 0x7fc00000,
				    0xffc00000, 0x7f810000, 0xff810000};

static float float_of(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

static void every_place_and_length_is_looked_at(void **state)
{
	float x[LENGTH_MAX] = {0};
	uint16_t halves[LENGTH_MAX] = {0};

	(void)state;
	for (size_t n = 0; n <= LENGTH_MAX; n++) {
		for (size_t i = 0; i < n; i++) {
			x[i] = i % 3 ? FLT_MAX : -FLT_MIN;
			halves[i] = i % 3 ? 0x7f7f : 0x8001;
		}
		assert_true(ps_all_finite(x, n) && ps_all_finite_bf16(halves, n));
		assert_int_equal(ps_first_not_finite(x, n), n);
		for (size_t i = 0; i < n; i++) {
			const uint32_t bits = bad_bits[i % (sizeof bad_bits / sizeof *bad_bits)];
			const float was = x[i];
			const uint16_t half = halves[i];

			x[i] = float_of(bits);
			halves[i] = (uint16_t)(bits >> 16);
			assert_false(ps_all_finite(x, n));
			assert_false(ps_all_finite_bf16(halves, n));
			assert_int_equal(ps_first_not_finite(x, n), i);
			x[i] = was;
			halves[i] = half;
		}
	}
}

static void nan_does_not_vanish_in_a_minimum_or_maximum(void **state)
{
	(void)state;
	assert_true(isnan(ps_lesser(NAN, 1)) && isnan(ps_lesser(1, NAN)));
	assert_true(isnan(ps_greater(NAN, 1)) && isnan(ps_greater(1, NAN)));
	assert_true(ps_lesser(1, 2) == 1 && ps_lesser(2, 1) == 1);
	assert_true(ps_greater(1, 2) == 2 && ps_greater(2, 1) == 2);
	assert_false(signbit(ps_greater(-0.0, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_and_length_is_looked_at),
		cmocka_unit_test(nan_does_not_vanish_in_a_minimum_or_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
