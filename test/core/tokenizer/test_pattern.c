/* Regular expressions of tokenizers: what is understood finds what Oniguruma finds, and what is not
 * understood is refused by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tokenizer/pattern.h"

#define E "\xc3\xa9"          /* U+00E9 */
#define LONG_S "\xc5\xbf"     /* U+017F, which folds to s */
#define KELVIN "\xe2\x84\xaa" /* U+212A, which folds to k */
#define HAN "\xe4\xb8\xad"    /* U+4E2D */

/* The first match of a regex in a text. */
static const struct {
	const char *regex, *text;
	int start, end; /* -1: there is none */
} cases[] = {
	{"a", "ba", 1, 2},
	{"\\x61", "ba", 1, 2},
	{"\\x{61}", "ba", 1, 2},
	{"\\x{000061}", "ba", 1, 2},
	{"\\x{E9}", "a" E, 1, 3},
	{"\\x{e9}", "a" E, 1, 3},
	{"\\u00e9", "a" E, 1, 3},
	{"\\u00E9|z", "a" E, 1, 3},
	{E, "a" E, 1, 3},
	{"\\" E, "a" E, 1, 3},
	{"[\\x{e9}-\\x{ff}]", "a" E, 1, 3},
	{"[" E "]", "a" E, 1, 3},
	{"\\-", "a-", 1, 2},
	{"\\ ", "a ", 1, 2},
	{"[\\]]", "a]", 1, 2},
	{"[a\\-c]", "b-", 1, 2},
	{"[-a]", "b-", 1, 2},
	{"[a-]", "b-", 1, 2},
	{"\\t|\\n|\\r|\\f|\\v|\\a|\\e", "a\033", 1, 2},
	{"[\\t\\n]", "a\n", 1, 2},
	{"(?i:A)", "ba", 1, 2},
	{"(?i:a)", "bA", 1, 2},
	{"(?i)A", "ba", 1, 2},
	{"(?i:A(?-i:B))", "ab", -1, -1},
	{"(?i:A(?-i:B))", "aB", 0, 2},
	{"(?i:[B-D])", "ac", 1, 2},
	{"(?i:S)", "a" LONG_S, 1, 3},
	{"(?i:[r-t])", "a" LONG_S, 1, 3},
	{"(?i:k)", "a" KELVIN, 1, 4},
	{"(?i:[^a])", "Ab", 1, 2},
	{"(?i:1)", "a1", 1, 2},
	{"[^b]", "ba", 1, 2},
	{"[^a-z]", "a" E, 1, 3},
	{"[[a]]", "ba", 1, 2},
	{"[^[b]]", "ba", 1, 2},
	{"[b[^c]]", "ca", 1, 2},
	{"\\p{L}", "1" E, 1, 3},
	{"\\p{Ll}", "A" E, 1, 3},
	{"\\p{Lu}", "a" E, -1, -1},
	{"\\P{L}", "a1", 1, 2},
	{"\\p{^L}", "a1", 1, 2},
	{"\\P{^L}", "1a", 1, 2},
	{"\\p{N}", "a1", 1, 2},
	{"\\p{Han}", "a" HAN, 1, 4},
	{"\\P{Han}", HAN "a", 3, 4},
	{"[\\p{Han}b]", "a" HAN, 1, 4},
	{"[^\\p{L}]", "a1", 1, 2},
	{"[\\P{L}]", "a1", 1, 2},
	{"\\w", " " E, 1, 3},
	{"\\W", "a ", 1, 2},
	{"\\s", "a\t", 1, 2},
	{"\\S", "\ta", 1, 2},
	{"\\d", "a1", 1, 2},
	{"\\D", "1a", 1, 2},
	{"[\\w]", " a", 1, 2},
	{"[^\\W]", " a", 1, 2},
	{"[\\s\\d]", "a1", 1, 2},
	{"[^\\S]", "a ", 1, 2},
	{"[\\D]", "1a", 1, 2},
	{".", "\n" E, 1, 3},
	{"^b", "a\nb", 2, 3},
	{"a$", "ba\nc", 1, 2},
	{"\\Ab", "a\nb", -1, -1},
	{"\\Aa", "ab", 0, 1},
	{"a\\z", "a\na", 2, 3},
	{"ba*", "baa", 0, 3},
	{"ba+?", "baa", 0, 2},
	{"ba??", "ba", 0, 1},
	{"a++b", "aab", 0, 3},
	{"a*+a", "aa", -1, -1},
	{"ba?+", "baa", 0, 2},
	{"a{2}", "baa", 1, 3},
	{"a{,2}b", "aaab", 1, 4},
	{"a{1,}", "baa", 1, 3},
	{"a{1,2}?", "baa", 1, 2},
	{"(?:ab){2}", "aabab", 1, 5},
	{"(?>a*)a", "aa", -1, -1},
	{"(?=b)b", "ab", 1, 2},
	{"(?!a)\\w", "ab", 1, 2},
	{"(?<=a)b", "bab", 2, 3},
	{"(?<!a)b", "abb", 2, 3},
	{"(a|b)c", "abc", 1, 3},
	{"x|", "a", 0, 0},
	{"a{x}", "ba{x}", 1, 5},
	{"a{", "ba{", 1, 3},
	{"a{}", "ba{}", 1, 4},
	{"a{,}", "ba{,}", 1, 5},
	{"{x}", "a{x}", 1, 4},
};

static ps_pattern *open_regex(const char *regex, size_t length)
{
	ps_pattern *pattern = NULL;
	ps_diag diag = {{0}};

	if (ps_pattern_create_regex(&pattern, regex, length, &diag))
		fail_msg("%s: %s", regex, diag.text);
	return pattern;
}

static void what_is_understood_finds_its_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ps_pattern *pattern = open_regex(cases[i].regex, strlen(cases[i].regex));
		size_t start = 0, end = 0;
		ps_diag diag = {{0}};
		int found = ps_pattern_open(pattern, cases[i].text, strlen(cases[i].text), &diag);

		assert_int_equal(found, 0);
		found = ps_pattern_next(pattern, &start, &end, &diag);
		if (found != (cases[i].start >= 0) ||
		    (found && ((int)start != cases[i].start || (int)end != cases[i].end)))
			fail_msg("%s in \"%s\": %d, [%zu, %zu)", cases[i].regex, cases[i].text,
				 found, start, end);
		ps_pattern_destroy(pattern);
	}
}

/* What is refused, and what the message says of it. */
static const struct {
	const char *regex, *said;
} refused[] = {
	{"(a", "closing parenthesis"},
	{"a)", "opening one"},
	{"[a", "closing bracket"},
	{"[", "closing bracket"},
	{"[^", "closing bracket"},
	{"[a-", "closing bracket"},
	{"[[a]", "closing bracket"},
	{"[]a]", "character class"},
	{"[b-a]", "empty range"},
	{"[a-\\w]", "empty range"},
	{"[a-[b]]", "range"},
	{"[a&&b]", "character class"},
	{"[[:alpha:]]", "character class"},
	{"*a", "without a target"},
	{"a|+", "without a target"},
	{"{2}", "without a target"},
	{"a|{2}", "without a target"},
	{"({,2})", "without a target"},
	{"\\1", "unsupported escape"},
	{"\\bx", "unsupported escape"},
	{"[\\b]", "unsupported escape"},
	{"\\p", "a property needs braces"},
	{"\\p{Greek}", "unsupported property"},
	{"\\p{}", "unsupported property"},
	{"\\p{Qx}", "unsupported property"},
	{"\\p{L", "closing brace"},
	{"\\x{110000}", "invalid code point"},
	{"\\x{d800}", "invalid code point"},
	{"\\x{61", "invalid code point"},
	{"\\x{6z}", "invalid code point"},
	{"\\x{}", "invalid code point"},
	{"\\xzz", "invalid code point"},
	{"\\xe9", "beyond ASCII"},
	{"\\u12", "invalid code point"},
	{"\\udfff", "invalid code point"},
	{"(?<n>a)", "unsupported group"},
	{"(?#c)", "unsupported group"},
	{"a(?i)b", "unsupported group"},
	{"(?i:" E ")", "ignoring case"},
	{"(?i:[" E "])", "ignoring case"},
	{"(?i:ss)", "ignoring case"},
	{"(?i:sT)", "ignoring case"},
	{"(?i:ff)", "ignoring case"},
	{"(?i:fi)", "ignoring case"},
	{"(?i:fL)", "ignoring case"},
	{"a{3,2}", "out of range"},
	{"a{70000}", "out of range"},
	{"a{1,70000}", "out of range"},
	{"a{2}?", "followed by ?"},
	{"(?:a{1,9999}){1,9999}", "too large"},
	{"(?<=a+)b", "lookbehind"},
	{"a\\", "backslash"},
};

static void what_is_not_understood_is_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		ps_pattern *pattern = NULL;
		ps_diag diag = {{0}};
		int rc = ps_pattern_create_regex(&pattern, refused[i].regex,
						 strlen(refused[i].regex), &diag);

		if (rc != PS_EINPUT || !strstr(diag.text, refused[i].said))
			fail_msg("%s: %d '%s', not '%s'", refused[i].regex, rc, diag.text,
				 refused[i].said);
	}
}

/* Refused as PS_EINPUT with this in the message. */
static void assert_refused(const char *regex, size_t length, const char *said)
{
	ps_pattern *pattern = NULL;
	ps_diag diag = {{0}};

	assert_int_equal(ps_pattern_create_regex(&pattern, regex, length, &diag), PS_EINPUT);
	if (!strstr(diag.text, said))
		fail_msg("'%s', not '%s'", diag.text, said);
}

static void depth_and_length_have_limits(void **state)
{
	char regex[4096];

	(void)state;
	memset(regex, '(', sizeof regex);
	assert_refused(regex, 2000, "deep");
	memset(regex, '[', sizeof regex);
	assert_refused(regex, 2000, "deep");
	memset(regex, 'a', sizeof regex);
	assert_refused(regex, sizeof regex, "bytes");
	assert_refused("a\0b[", 4, "closing bracket"); /* a NUL is a character like others */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_understood_finds_its_text),
		cmocka_unit_test(what_is_not_understood_is_refused_by_name),
		cmocka_unit_test(depth_and_length_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
