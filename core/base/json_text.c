#include "core/base/json_text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/json_memory.h"

#define SAFE_DIGITS 18 /* an integer of so many digits fits into 64 bits */

/* A text that is copied to out from its first replaced word on. Until then out is empty. */
struct rewriter {
	const char *text;
	size_t length, copied; /* text[0, copied) is in out */
	ps_buffer out, word;
	ps_diag *diag;
};

static bool is_word(const char *text, size_t length, const char *word)
{
	return length == strlen(word) && !memcmp(text, word, length);
}

static bool is_word_character(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '+' || c == '.';
}

/* The end of the string whose opening quote is at start. */
static size_t string_end(const char *text, size_t start, size_t length)
{
	size_t at = start + 1;

	while (at < length && text[at] != '"')
		at += text[at] == '\\' ? 2 : 1;
	return at < length ? at + 1 : length;
}

static int replace(struct rewriter *r, size_t start, size_t end, const char *by)
{
	int rc = ps_buffer_append(&r->out, r->text + r->copied, start - r->copied, r->diag);

	r->copied = end;
	return rc ? rc : ps_buffer_append(&r->out, by, strlen(by), r->diag);
}

/* Replaces a number that jansson does not take. The word is all digits, '-', '+', '.', e and E. */
static int replace_number(struct rewriter *r, size_t start, size_t end)
{
	char text[64];
	double value;
	int rc;

	r->word.used = 0;
	rc = ps_buffer_append(&r->word, r->text + start, end - start, r->diag);
	if (!rc)
		rc = ps_buffer_append(&r->word, "", 1, r->diag);
	if (rc)
		return rc;
	value = strtod(r->word.data, NULL);
	if (!isfinite(value)) {
		snprintf(text, sizeof text, "\"%.40s\"", r->word.data);
		return replace(r, start, end, text);
	}
	if (strpbrk(r->word.data, ".eE"))
		return 0;
	errno = 0;
	(void)strtoll(r->word.data, NULL, 10);
	if (errno != ERANGE)
		return 0;
	snprintf(text, sizeof text, "%.17e", value);
	return replace(r, start, end, text);
}

/* Looks at a word outside strings: a number, a literal, or what Python adds to JSON. */
static int check_word(struct rewriter *r, size_t start, size_t end)
{
	static const char *const others[] = {"NaN", "Infinity", "-Infinity"};
	const char *word = r->text + start;
	size_t length = end - start;
	char quoted[16];

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (is_word(word, length, others[i])) {
			snprintf(quoted, sizeof quoted, "\"%s\"", others[i]);
			return replace(r, start, end, quoted);
		}
	for (size_t i = 0; i < length; i++)
		if (isalpha((unsigned char)word[i]) && word[i] != 'e' && word[i] != 'E')
			return 0;
	if (length <= SAFE_DIGITS && !memchr(word, 'e', length) && !memchr(word, 'E', length))
		return 0;
	return replace_number(r, start, end);
}

/* The code of an escape such as \u0041; -1: none begins there. */
static int escaped(const struct rewriter *r, size_t at)
{
	int code = 0;

	if (at + 6 > r->length || r->text[at] != '\\' || r->text[at + 1] != 'u')
		return -1;
	for (size_t i = at + 2; i < at + 6; i++) {
		const char digit = r->text[i];

		if (!isxdigit((unsigned char)digit))
			return -1;
		code = 16 * code +
		       (isdigit((unsigned char)digit) ? digit - '0' : (digit | 0x20) - 'a' + 10);
	}
	return code;
}

/* Looks at the escapes of a string. Of those that stand for no character the backslash is
 * doubled. */
static int check_string(struct rewriter *r, size_t start, size_t end)
{
	size_t next;
	int rc = 0;

	for (size_t at = start; at < end && !rc; at = next) {
		const int code = escaped(r, at), low = escaped(r, at + 6);

		next = at + (r->text[at] == '\\' ? 2 : 1);
		if (code >= 0xd800 && code < 0xdc00 && low >= 0xdc00 && low < 0xe000)
			next = at + 12;
		else if (!code || (code >= 0xd800 && code < 0xe000))
			rc = replace(r, at, at + 1, "\\\\");
	}
	return rc;
}

static int rewrite(struct rewriter *r)
{
	size_t end;
	int rc = 0;

	for (size_t at = 0; !rc && at < r->length; at = end) {
		end = at + 1;
		if (r->text[at] == '"') {
			end = string_end(r->text, at, r->length);
			if (memchr(r->text + at, '\\', end - at))
				rc = check_string(r, at, end);
		} else if (is_word_character(r->text[at])) {
			while (end < r->length && is_word_character(r->text[end]))
				end++;
			rc = check_word(r, at, end);
		}
	}
	if (!rc && r->copied)
		rc = ps_buffer_append(&r->out, r->text + r->copied, r->length - r->copied, r->diag);
	return rc;
}

int ps_json_refuse_mark(const char *text, size_t length, const char *path, ps_diag *diag)
{
	if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		return ps_fail(diag, PS_EINPUT,
			       "%s: begins with a byte order mark (BOM, offset 0), which JSON does "
			       "not allow; save it as UTF-8 without one",
			       path);
	if (length >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
		return ps_fail(diag, PS_EINPUT,
			       "%s: is UTF-16 (byte order mark at offset 0); JSON must be UTF-8",
			       path);
	return 0;
}

int ps_json_parse(const char *text, size_t length, const char *path, json_t **value, ps_diag *diag)
{
	struct rewriter r = {.text = text, .length = length, .diag = diag};
	json_error_t error;
	int rc = ps_json_refuse_mark(text, length, path, diag);

	if (!rc)
		rc = rewrite(&r);
	if (!rc) {
		*value = ps_json_load(r.copied ? r.out.data : text, r.copied ? r.out.used : length,
				      &error);
		if (!*value && json_error_code(&error) == json_error_out_of_memory)
			rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for its JSON", path);
		else if (!*value)
			rc = ps_fail(diag, PS_EINPUT, "%s: line %d: %s", path, error.line,
				     error.text);
	}
	ps_buffer_free(&r.out);
	ps_buffer_free(&r.word);
	return rc;
}
