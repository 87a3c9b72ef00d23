/* core/base/dtype: numbers that are rounded to f16 and bf16 are the nearest there are, ties to
 * even, and what a type can hold comes back to the bit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/dtype.h"
#include "core/base/half.h"

static void every_f16_comes_back(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 0x10000; bits++) {
		const float value = ps_f16_to_f32((uint16_t)bits);

		if (isnan(value))
			assert_true(isnan(ps_f16_to_f32(ps_f32_to_f16(value))));
		else
			assert_int_equal(ps_f32_to_f16(value), bits);
	}
}

/* Between two neighbours of either sign, subnormal ones included: the middle goes to the even one,
 * and what is a little to one side of it goes there. */
static void the_middle_of_two_f16_goes_to_the_even_one(void **state)
{
	(void)state;
	for (unsigned bits = 0; bits < 0x7c00; bits++) {
		const float low = ps_f16_to_f32((uint16_t)bits),
			    high = bits == 0x7bff ? 65536 : ps_f16_to_f32((uint16_t)(bits + 1)),
			    middle = (low + high) / 2;
		const unsigned even = bits + bits % 2;

		assert_int_equal(ps_f32_to_f16(middle), even);
		assert_int_equal(ps_f32_to_f16(-middle), even | 0x8000);
		assert_int_equal(ps_f32_to_f16(nextafterf(middle, 0)), bits);
		assert_int_equal(ps_f32_to_f16(nextafterf(middle, INFINITY)), bits + 1);
	}
	assert_int_equal(ps_f32_to_f16(1e30f), 0x7c00);
	assert_int_equal(ps_f32_to_f16(-INFINITY), 0xfc00);
	assert_int_equal(ps_f32_to_f16(1e-30f), 0);
}

static void narrowing_is_the_inverse_of_widening(void **state)
{
	static const ps_dtype dtypes[] = {PS_F32, PS_BF16, PS_F16};
	float values[300], back[300];
	char stored[sizeof values + 1];

	(void)state;
	for (int d = 0; d < 3; d++) {
		for (int i = 0; i < 300; i++)
			values[i] = (float)(i - 150) / 7;
		ps_narrow(values, dtypes[d], 300, stored + 1); /* any alignment */
		ps_widen(stored + 1, dtypes[d], 300, back);
		ps_round_to(dtypes[d], 300, values);
		assert_memory_equal(values, back, sizeof values);
		for (int i = 0; i < 300; i++)
			assert_true(fabsf(values[i] - (float)(i - 150) / 7) <= 0.0625f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_f16_comes_back),
		cmocka_unit_test(the_middle_of_two_f16_goes_to_the_even_one),
		cmocka_unit_test(narrowing_is_the_inverse_of_widening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
