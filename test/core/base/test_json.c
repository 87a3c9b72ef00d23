/* core/base/json.c: what JSON cannot say becomes null or U+FFFD, never a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "core/base/json.h"

static void numbers_that_are_not_finite_become_null(void **state)
{
	static const double bad[] = {NAN, -NAN, INFINITY, -INFINITY};
	json_t *value = ps_number_json(0.1);

	(void)state;
	assert_true(json_is_real(value) && json_real_value(value) == 0.1);
	assert_true(ps_json_number(value) == 0.1);
	json_decref(value);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		value = ps_number_json(bad[i]);
		assert_true(json_is_null(value));
		assert_true(isnan(ps_json_number(value)));
		json_decref(value);
	}
	assert_true(isnan(ps_json_number(NULL)));
	value = json_integer(7);
	assert_true(ps_json_number(value) == 7);
	json_decref(value);
}

static void any_bytes_become_a_text(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"caf\xC3\xA9", "caf\xC3\xA9"},
		{"a\xFFz", "a\xEF\xBF\xBDz"},
		{"\xC3", "\xEF\xBF\xBD"},
		{"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *value = ps_text_json(cases[i][0]);

		assert_string_equal(json_string_value(value), cases[i][1]);
		json_decref(value);
	}
}

static void a_copy_is_equal_and_its_own(void **state)
{
	json_t *value = json_pack("{s:[i, {s:s}], s:n}", "a", 1, "b", "c", "d"),
	       *copy = ps_json_copy(value);

	(void)state;
	assert_true(json_equal(value, copy));
	assert_int_equal(json_object_set_new(copy, "e", json_true()), 0);
	assert_false(json_equal(value, copy));
	json_decref(value);
	json_decref(copy);
}

static void a_shown_value_fits(void **state)
{
	json_t *list = json_pack("[s, i, s]", "some text", 16, "more of it");
	char out[16];

	(void)state;
	assert_string_equal(ps_json_show(NULL, out, sizeof out), "");
	assert_string_equal(ps_json_show(json_array_get(list, 0), out, sizeof out),
			    "\"some text\"");
	ps_json_show(list, out, sizeof out);
	assert_true(strlen(out) < sizeof out);
	assert_string_equal(out + strlen(out) - 3, "...");
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_that_are_not_finite_become_null),
		cmocka_unit_test(any_bytes_become_a_text),
		cmocka_unit_test(a_copy_is_equal_and_its_own),
		cmocka_unit_test(a_shown_value_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
