/* core/tokenizer/token_text: what a token's string stands for, and how it is shown. Whole
 * vocabularies are compared in test_tokenizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/tokenizer/token_text.h"

static void shown(const ps_token_style *style, const char *string, const char *want)
{
	ps_buffer bytes = {0}, out = {0};

	assert_int_equal(ps_token_text(style, string, strlen(string), &bytes, &out, NULL), 0);
	if (out.used != strlen(want) || (out.used && memcmp(out.data, want, out.used) != 0))
		fail_msg("%s is shown as '%.*s', not '%s'", string, (int)out.used,
			 out.used ? out.data : "", want);
	ps_buffer_free(&bytes);
	ps_buffer_free(&out);
}

static void only_names_of_bytes_are_bytes(void **state)
{
	const ps_token_style style = {.byte_fallback = true}, plain = {.byte_fallback = false};

	(void)state;
	shown(&style, "<0x41>", "A");
	shown(&style, "<0x0A>", "\\n");
	shown(&style, "<0xC3>", "<0xC3>"); /* which is no UTF-8 by itself */
	shown(&plain, "<0x41>", "<0x41>");
	shown(&style, "<0x41", "<0x41");
	shown(&style, "<0x411>", "<0x411>");
	shown(&style, "<0x41)", "<0x41)");
	shown(&style, "[0x41>", "[0x41>");
	shown(&style, "<0x4g>", "<0x4g>");
	shown(&style, "<0xg4>", "<0xg4>");
	shown(&style, "<0x4a>", "<0x4a>"); /* capitals are used alone */
	shown(&style, "", "");
}

static void a_byte_of_nothing_is_no_digit(void **state)
{
	static const char *const names[] = {"<0x\0001>", "<0x1\000>"};
	const ps_token_style style = {.byte_fallback = true};

	(void)state;
	for (int i = 0; i < 2; i++) {
		ps_buffer bytes = {0}, out = {0};

		assert_int_equal(ps_token_text(&style, names[i], 6, &bytes, &out, NULL), 0);
		assert_int_equal(out.used, 11); /* five characters, and <0x00> */
		ps_buffer_free(&bytes);
		ps_buffer_free(&out);
	}
}

static void letters_and_spaces_become_their_bytes(void **state)
{
	const ps_token_style letters = {.byte_level = true},
			     spaces = {.space = "\xe2\x96\x81", .space_length = 3}, none = {0};

	(void)state;
	shown(&letters, "\xc4\xa0the", " the");          /* G with a dot */
	shown(&letters, "\xe4\xb8\xad", "\xe4\xb8\xad"); /* no letter of the table */
	shown(&spaces, "\xe2\x96\x81the", " the");
	shown(&spaces, "\xe4\xb8\xad", "\xe4\xb8\xad");
	shown(&none, "\xe2\x96\x81the", "\xe2\x96\x81the");
}

static void what_has_no_picture_has_a_name(void **state)
{
	const ps_token_style none = {0};

	(void)state;
	shown(&none, "a\r\t\x1b\x7f", "a\\r\\t<0x1B><0x7F>");
	shown(&none, "\xe2\x80\xae", "<U+202E>");
	shown(&none, "\xef\xbf\xbe", "<U+FFFE>");
}

static void ids_without_a_token_have_no_text(void **state)
{
	uint32_t start[2] = {0, UINT32_MAX};
	char text[] = "text";
	const ps_token_texts texts = {
		.text = {.data = text, .used = 5}, .start = start, .count = 2};

	(void)state;
	assert_string_equal(ps_token_texts_get(&texts, 0), "text");
	assert_null(ps_token_texts_get(&texts, 1));
	assert_null(ps_token_texts_get(&texts, 2));
	assert_null(ps_token_texts_get(&texts, -1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_names_of_bytes_are_bytes),
		cmocka_unit_test(a_byte_of_nothing_is_no_digit),
		cmocka_unit_test(letters_and_spaces_become_their_bytes),
		cmocka_unit_test(what_has_no_picture_has_a_name),
		cmocka_unit_test(ids_without_a_token_have_no_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
