#include "core/tokenizer/token_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"
#include "core/tokenizer/pretokenize.h"

/* Characters without a picture of their own, those that change how their neighbours are shown, and
 * places that stand for no character: Unicode's categories Cc (beyond ASCII), Cf, Zl, Zp, and
 * noncharacters, as ranges of Unicode 15. */
static const uint32_t hidden[][2] = {
	{0x80, 0x9F},       {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},
	{0x6DD, 0x6DD},     {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},
	{0x180E, 0x180E},   {0x200B, 0x200F},   {0x2028, 0x202E},   {0x2060, 0x206F},
	{0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},   {0xFFFE, 0xFFFF},
	{0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3},
	{0x1D173, 0x1D17A}, {0xE0000, 0xE007F},
};

static bool is_hidden(uint32_t code)
{
	for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
		if (code >= hidden[i][0] && code <= hidden[i][1])
			return true;
	return (code & 0xFFFE) == 0xFFFE;
}

/* --- from the string to its bytes --- */

/* The byte of <0xC3>, or -1. */
static int named_byte(const char *string, size_t length)
{
	static const char digits[] = "0123456789ABCDEF";
	const char *high, *low;

	if (length != 6 || memcmp(string, "<0x", 3) || string[5] != '>')
		return -1;
	high = string[3] ? strchr(digits, string[3]) : NULL;
	low = string[4] ? strchr(digits, string[4]) : NULL;
	return high && low ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

static int add_letter(const char *letter, size_t length, ps_buffer *bytes, ps_diag *diag)
{
	const int byte = ps_byte_of_letter(ps_utf8_decode(letter));
	const char one = (char)byte;

	return byte < 0 ? ps_buffer_append(bytes, letter, length, diag)
			: ps_buffer_append(bytes, &one, 1, diag);
}

static int find_bytes(const ps_token_style *style, const char *string, size_t length,
		      ps_buffer *bytes, ps_diag *diag)
{
	const int byte = style->byte_fallback ? named_byte(string, length) : -1;
	const char one = (char)byte;
	int rc = 0;

	bytes->used = 0;
	if (byte >= 0)
		return ps_buffer_append(bytes, &one, 1, diag);
	for (size_t at = 0, step; at < length && !rc; at += step) {
		step = ps_utf8_length((unsigned char)string[at]);
		if (style->byte_level)
			rc = add_letter(string + at, step, bytes, diag);
		else if (style->space && step == style->space_length &&
			 !memcmp(string + at, style->space, step))
			rc = ps_buffer_append(bytes, " ", 1, diag);
		else
			rc = ps_buffer_append(bytes, string + at, step, diag);
	}
	return rc;
}

/* --- from bytes to what is seen --- */

/* Appends what stands for a character, or for a byte that begins none (length 0). */
static int show(const char *at, size_t length, ps_buffer *out, ps_diag *diag)
{
	const uint32_t code = length ? ps_utf8_decode(at) : (unsigned char)*at;
	char name[16];

	if (length && code >= ' ' && code != 0x7F && !is_hidden(code))
		return ps_buffer_append(out, at, length, diag);
	if (length && (code == '\n' || code == '\r' || code == '\t'))
		snprintf(name, sizeof name, "\\%c", code == '\n' ? 'n' : code == '\r' ? 'r' : 't');
	else if (length > 1)
		snprintf(name, sizeof name, "<U+%04X>", (unsigned)code);
	else
		snprintf(name, sizeof name, "<0x%02X>", (unsigned)code);
	return ps_buffer_append(out, name, strlen(name), diag);
}

int ps_token_text_show(const char *bytes, size_t length, ps_buffer *out, ps_diag *diag)
{
	int rc = 0;

	for (size_t at = 0; at < length && !rc;) {
		const size_t step = ps_utf8_valid(bytes + at, length - at);

		rc = show(bytes + at, step, out, diag);
		at += step ? step : 1;
	}
	return rc;
}

int ps_token_text(const ps_token_style *style, const char *string, size_t length, ps_buffer *bytes,
		  ps_buffer *out, ps_diag *diag)
{
	int rc = find_bytes(style, string, length, bytes, diag);

	return rc ? rc : ps_token_text_show(bytes->data, bytes->used, out, diag);
}

/* --- a vocabulary --- */

const char *ps_token_texts_get(const ps_token_texts *texts, int32_t id)
{
	if (id < 0 || id >= texts->count || texts->start[id] == UINT32_MAX)
		return NULL;
	return texts->text.data + texts->start[id];
}

size_t ps_token_texts_bytes(const ps_token_texts *texts)
{
	return texts->text.capacity + (size_t)texts->count * sizeof *texts->start;
}

void ps_token_texts_free(ps_token_texts *texts)
{
	ps_buffer_free(&texts->text);
	free(texts->start);
	*texts = (ps_token_texts){0};
}
