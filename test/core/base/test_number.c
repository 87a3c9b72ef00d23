/* core/base/number.c: a text is a number as a whole, or it is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/arena.h"
#include "core/base/number.h"

static void whole_numbers_are_read_exactly(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} numbers[] = {
		{"0", 0},
		{"7", 7},
		{"-7", -7},
		{"+7", 7},
		{"-0", 0},
		{"512e3", 512000},
		{"512E3", 512000},
		{"1e6", 1000000},
		{"1e+6", 1000000},
		{"2.5e1", 25},
		{"50e-1", 5},
		{"600k", 600000},
		{"600K", 600000},
		{"1024k", 1024000},
		{"2.5M", 2500000},
		{"1.5k", 1500},
		{"3G", 3000000000},
		{"0.5k", 500},
		{"1_000", 1000},
		{"1_000_000", 1000000},
		{"8.0", 8},
		{"8.", 8},
		{".5e1", 5},
		{"0e999999999", 0},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN},
		{"9223372036854775.807k", INT64_MAX},
		{"0.000000000000000001e18", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		int64_t value = -77;
		const char *fault =
			ps_number_whole(numbers[i].text, strlen(numbers[i].text), &value);

		if (fault || value != numbers[i].value)
			fail_msg("'%s' is %lld, %s", numbers[i].text, (long long)value,
				 fault ? fault : "another number");
	}
}

static const char *const no_wholes[] = {
	"",
	" ",
	"-",
	"+",
	".",
	"e3",
	"k",
	"8.7",
	"1.9",
	"0.5%",
	"30%",
	"128 tokens",
	"1 000",
	"1,000",
	" 5",
	"5 ",
	"5\n",
	"5\t",
	"0x10",
	"0X1F",
	"010",
	"007",
	"00",
	"-010",
	"0_1",
	"0o17",
	"0b101",
	"--5",
	"+-5",
	"5-",
	"1__000",
	"_1",
	"1_",
	"1_e3",
	"1e",
	"1e+",
	"1e3.5",
	"1e-3",
	"2.5",
	"2.55k0",
	"1kk",
	"1m",
	"1kB",
	"1Ki",
	"1KiB",
	"1T",
	"1.0005k",
	"nan",
	".nan",
	".inf",
	"inf",
	"Infinity",
	"true",
	"yes",
	"null",
	"~",
	"9223372036854775808",
	"-9223372036854775809",
	"18446744073709551616",
	"18446744073709551617",
	"1e19",
	"1e400",
	"1e99999999999999999999",
	"10G0",
	"9223372036854776k",
	"1e-99999999999999999999",
	"٣",
	"５",
	"\xff",
};

static void what_is_no_whole_number_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof no_wholes / sizeof *no_wholes; i++) {
		int64_t value = -77;
		double real = -77;

		if (!ps_number_whole(no_wholes[i], strlen(no_wholes[i]), &value))
			fail_msg("'%s' is taken for %lld", no_wholes[i], (long long)value);
		assert_int_equal(value, -77);
		(void)ps_number_real(no_wholes[i], strlen(no_wholes[i]), true, &real);
	}
	assert_non_null(ps_number_whole("5\0", 2, &(int64_t){0}));
	assert_non_null(ps_number_whole("5\0x", 3, &(int64_t){0}));
}

static void real_numbers_are_read_as_strtod_reads_them(void **state)
{
	static const struct {
		const char *text;
		double value;
		bool share;
	} numbers[] = {
		{"0.3", 0.3, false},
		{"0.1", 0.1, false},
		{".5", 0.5, false},
		{"5.", 5, false},
		{"1e-3", 1e-3, false},
		{"4.5E-4", 4.5e-4, false},
		{"-0.0", 0, false},
		{"1_000.5", 1000.5, false},
		{"30%", 0.3, true},
		{"0.5%", 0.005, true},
		{"100%", 1, true},
		{"0.3", 0.3, true},
		{"1e308", 1e308, false},
		{"5e-324", 5e-324, false},
		{"0.30000000000000004", 0.30000000000000004, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		double value = -77;
		const char *fault = ps_number_real(numbers[i].text, strlen(numbers[i].text),
						   numbers[i].share, &value);

		if (fault || memcmp(&value, &numbers[i].value, sizeof value))
			fail_msg("'%s' is %.17g, %s", numbers[i].text, value,
				 fault ? fault : "another number");
	}
}

static void what_is_no_real_number_is_refused(void **state)
{
	static const char *const texts[] = {
		"",      "nan",  ".nan", "inf",   ".inf",  "-.inf", "1e400", "-1e400", "1e-400",
		"0x1p3", "00.5", "0,5",  "0.5 ",  "0.5f",  "1.2.3", "1e",    "50%",    "1k",
		"1_.5",  "1._5", "fast", "0.5%%", "--0.5", "1e5e5", "٠.٥",
	};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		double value = -77;

		if (!ps_number_real(texts[i], strlen(texts[i]), false, &value))
			fail_msg("'%s' is taken for %g", texts[i], value);
		assert_true(value == -77);
	}
}

static void sizes_are_read_as_wholes_too(void **state)
{
	static const struct {
		const char *text;
		size_t bytes; /* 0: refused */
	} sizes[] = {
		{"1", 1},
		{"4096", 4096},
		{"64K", 65536},
		{"1.5G", 1610612736},
		{"400MiB", 419430400},
		{"1e6", 1000000},
		{"1_024", 1024},
		{"0", 0},
		{"-1", 0},
		{"0.5", 0},
		{"", 0},
		{"0x10", 0},
		{"1GB", 0},
		{"1 G", 0},
		{" 1G", 0},
		{"1g", 0},
		{"nan", 0},
		{"inf", 0},
		{"1e30", 0},
		{"lots", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t bytes = 0;
		ps_diag diag = {{0}};
		int rc = ps_size_parse(sizes[i].text, &bytes, &diag);

		if ((rc != 0) != (sizes[i].bytes == 0) || bytes != sizes[i].bytes)
			fail_msg("'%s' is %zu: %s", sizes[i].text, bytes, diag.text);
	}
}

/* A least size that a message shows is enough when it is given back. */
static void a_least_size_that_is_shown_is_enough(void **state)
{
	static const size_t sizes[] = {1,        1023,     1024,       1025,     16778752,
				       18825216, 19402432, 1073741825, 12 << 20, (size_t)5 << 33};
	char text[24];

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t bytes = 0;
		char *space = strchr(ps_size_format_up(sizes[i], text), ' ');

		if (sizes[i] < 1024)
			*space = 0;
		else
			memmove(space, space + 1, strlen(space));
		assert_int_equal(ps_size_parse(text, &bytes, NULL), 0);
		if (bytes < sizes[i] || (double)bytes > (double)sizes[i] * 1.011)
			fail_msg("%zu is shown as %s", sizes[i], text);
	}
	assert_string_equal(ps_size_format_up(16 << 20, text), "16.00 MiB");
	assert_string_equal(ps_size_format_up((16 << 20) + 1, text), "16.01 MiB");
}

static void ranges_say_what_they_hold(void **state)
{
	char text[PS_RANGE_TEXT];

	(void)state;
	assert_string_equal(ps_range_format(PS_FROM(1), text), "at least 1");
	assert_string_equal(ps_range_format(PS_FROM(0), text), "at least 0");
	assert_string_equal(ps_range_format(PS_ABOVE(0), text), "above 0");
	assert_string_equal(ps_range_format(PS_BETWEEN(1, 65536), text), "1 to 65536");
	assert_string_equal(
		ps_range_format((ps_range){.most = 1, .above = true, .below = true}, text),
		"above 0 and below 1");
	assert_true(ps_range_has(PS_BETWEEN(1, 2), 2) && !ps_range_has(PS_BETWEEN(1, 2), 3));
	assert_false(ps_range_has(PS_ABOVE(0), 0));
	assert_false(ps_range_has(PS_FROM(0), NAN));
}

static void values_are_shown_in_one_line(void **state)
{
	char out[PS_SHOWN];
	char longest[300];

	(void)state;
	assert_string_equal(ps_text_show("a\nb\tc\x01\x7f", 7, out, sizeof out),
			    "a\\nb\\tc\\x01\\x7f");
	assert_string_equal(ps_text_show("a\0b", 3, out, sizeof out), "a\\x00b");
	assert_string_equal(ps_text_show("\xff\xc3", 2, out, sizeof out), "\\xff\\xc3");
	assert_string_equal(ps_text_show("é\xc2\x85", 4, out, sizeof out), "é\\xc2\\x85");
	memset(longest, 'x', sizeof longest);
	ps_text_show(longest, sizeof longest, out, sizeof out);
	assert_true(strlen(out) < sizeof out && strstr(out, "xxx..."));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_read_exactly),
		cmocka_unit_test(what_is_no_whole_number_is_refused),
		cmocka_unit_test(real_numbers_are_read_as_strtod_reads_them),
		cmocka_unit_test(what_is_no_real_number_is_refused),
		cmocka_unit_test(sizes_are_read_as_wholes_too),
		cmocka_unit_test(a_least_size_that_is_shown_is_enough),
		cmocka_unit_test(ranges_say_what_they_hold),
		cmocka_unit_test(values_are_shown_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
