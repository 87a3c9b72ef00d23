#include "analysis/report/cards_token.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Characters that have no shape of their own: controls, soft hyphen, joiners, marks of direction,
 * separators, variation of nothing, tags. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x115f, 0x1160},   {0x180e, 0x180e},
	{0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},   {0xfdd0, 0xfdef},
	{0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
};

static bool is_unseen(uint32_t c)
{
	for (size_t i = 0; i < sizeof unseen / sizeof *unseen; i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return true;
	return (c & 0xfffe) == 0xfffe; /* noncharacters */
}

/* The bytes of the character that begins here, by its first byte; *c is the character. */
static size_t decode(const char *text, uint32_t *c)
{
	const unsigned char *b = (const unsigned char *)text;
	size_t length = *b < 0xc0 ? 1 : *b < 0xe0 ? 2 : *b < 0xf0 ? 3 : 4;

	*c = length == 1 ? *b : *b & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return i;
		*c = *c << 6 | (b[i] & 0x3f);
	}
	return length;
}

static void write_character(FILE *out, const char *bytes, size_t length, uint32_t c)
{
	if (c < 0x20)
		fprintf(out, "\xe2\x90%c", (char)(0x80 + c)); /* U+2400 and on: pictures of them */
	else if (is_unseen(c))
		fprintf(out, "&lt;U+%04X&gt;", (unsigned)c);
	else if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
		fprintf(out, "&#%u;", (unsigned)c);
	else
		fwrite(bytes, 1, length, out);
}

void ps_html_token(FILE *out, const char *text)
{
	const bool blank = text[strspn(text, " ")] == 0; /* nothing but spaces */

	if (!*text)
		fputs("&lt;&gt;", out);
	for (size_t i = 0; *text; i++) {
		uint32_t c;
		const size_t length = decode(text, &c);

		if (i == PS_TOKEN_CHARACTERS) {
			fputs("…", out);
			return;
		}
		if (blank)
			fputs("␣", out);
		else
			write_character(out, text, length, c);
		text += length;
	}
}
