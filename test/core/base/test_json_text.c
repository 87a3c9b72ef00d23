/* core/base/json_text: what Python's json module writes beyond JSON is read, the rest refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/json_text.h"

static json_t *parse(const char *text)
{
	json_t *value = NULL;
	ps_diag diag = {{0}};

	if (ps_json_parse(text, strlen(text), "dir/file.json", &value, &diag))
		fail_msg("%s\n%s", text, diag.text);
	return value;
}

static void refused(const char *text, size_t length, const char *want)
{
	json_t *value = NULL;
	ps_diag diag = {{0}};
	int rc = ps_json_parse(text, length, "dir/file.json", &value, &diag);

	if (rc != PS_EINPUT || !strstr(diag.text, want) || !strstr(diag.text, "dir/file.json"))
		fail_msg("%.200s\ngave %d '%s'; '%s' is expected", text, rc, diag.text, want);
	assert_null(value);
}

static void numbers_that_json_lacks_become_strings(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"{\"k\": NaN}", "NaN"},
		{"{\"k\":Infinity}", "Infinity"},
		{"{\"k\":-Infinity }", "-Infinity"},
		{"{\"k\": 1e999, \"x\": 1}", "1e999"},
		{"{\"k\": -1E+999}", "-1E+999"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *value = parse(cases[i].text);

		assert_string_equal(json_string_value(json_object_get(value, "k")), cases[i].want);
		json_decref(value);
	}
}

static void integers_beyond_64_bits_become_reals(void **state)
{
	static const struct {
		const char *text;
		double want;
	} cases[] = {
		{"{\"k\": 9223372036854775808}", 0x1p63},
		{"{\"k\": -18446744073709551616}", -0x1p64},
		{"{\"k\": 100000000000000000000000000000}", 1e29},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *value = parse(cases[i].text), *number = json_object_get(value, "k");

		assert_true(json_is_real(number) && json_real_value(number) == cases[i].want);
		json_decref(value);
	}
}

static void everything_else_stays_as_it_is(void **state)
{
	json_t *value = parse("{\"a\": [NaN, 1, -2.5e-3, true, null, Infinity],\n"
			      " \"NaN \\\" Infinity 1e999\": \"-Infinity, \\\\\",\n"
			      " \"i\": 9223372036854775807, \"j\": -9223372036854775808,"
			      " \"tiny\": 1e-999}");
	json_t *list = json_object_get(value, "a");

	(void)state;
	assert_int_equal(json_array_size(list), 6);
	assert_int_equal(json_integer_value(json_array_get(list, 1)), 1);
	assert_true(json_real_value(json_array_get(list, 2)) == -2.5e-3);
	assert_true(json_is_true(json_array_get(list, 3)) && json_is_null(json_array_get(list, 4)));
	assert_string_equal(json_string_value(json_object_get(value, "NaN \" Infinity 1e999")),
			    "-Infinity, \\");
	assert_true(json_integer_value(json_object_get(value, "i")) == INT64_MAX);
	assert_true(json_integer_value(json_object_get(value, "j")) == INT64_MIN);
	assert_true(json_real_value(json_object_get(value, "tiny")) == 0);
	json_decref(value);
}

/* Python's json reads them. Different ones stay different keys. */
static void escapes_of_no_character_become_text(void **state)
{
	json_t *value;

	(void)state;
	value = parse("{\"a\\u0000\": 1, \"\\ud800\": 2, \"\\ud801\": 3, \"\\uDC00\\ud83d\": 4, "
		      "\"\\ud83d\\ude00\": 5, \"\\\\u0000\": 6, \"b\": \"\\ud800\\u0041\"}");
	assert_int_equal(json_object_size(value), 7);
	assert_int_equal(json_integer_value(json_object_get(value, "a\\u0000")), 1);
	assert_int_equal(json_integer_value(json_object_get(value, "\\ud800")), 2);
	assert_int_equal(json_integer_value(json_object_get(value, "\\ud801")), 3);
	assert_int_equal(json_integer_value(json_object_get(value, "\\uDC00\\ud83d")), 4);
	assert_int_equal(json_integer_value(json_object_get(value, "\xf0\x9f\x98\x80")), 5);
	assert_int_equal(json_integer_value(json_object_get(value, "\\u0000")), 6);
	assert_string_equal(json_string_value(json_object_get(value, "b")), "\\ud800A");
	json_decref(value);
}

static void what_is_not_json_is_refused_naming_the_line(void **state)
{
	static const char *const texts[] = {"",
					    "{",
					    "{\"a\": nan}",
					    "{\"a\": NaNs}",
					    "{\"a\": +Infinity}",
					    "{\"a\": 1e999x}",
					    "{\"a\": .5}",
					    "{\"a\": 01}",
					    "\"",
					    "{\"a\": \"\\"};

	static const char twice[] = "{\"b\": NaN,\n\"a\": 1,\n\"a\": 2}";

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		refused(texts[i], strlen(texts[i]), "line ");
	refused(twice, strlen(twice), "line 3: duplicate");
}

static void byte_order_marks_are_named(void **state)
{
	(void)state;
	refused("\xef\xbb\xbf{}", 5, "byte order mark");
	refused("\xff\xfe{\0}\0", 6, "UTF-16");
	refused("\xfe\xff\0{\0}", 6, "UTF-16");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_that_json_lacks_become_strings),
		cmocka_unit_test(integers_beyond_64_bits_become_reals),
		cmocka_unit_test(everything_else_stays_as_it_is),
		cmocka_unit_test(escapes_of_no_character_become_text),
		cmocka_unit_test(what_is_not_json_is_refused_naming_the_line),
		cmocka_unit_test(byte_order_marks_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
