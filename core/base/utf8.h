/* core/base/utf8.h: UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 *
 * ps_utf8_valid and ps_utf8_invalid take any bytes; the other functions expect valid text. */
#ifndef PS_CORE_BASE_UTF8_H
#define PS_CORE_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PS_UNICODE_END 0x110000u /* one more than the largest code point */

/* Bytes of the character that begins with this byte. */
static inline size_t ps_utf8_length(unsigned char lead)
{
	return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* The code point at text. */
static inline uint32_t ps_utf8_decode(const char *text)
{
	const unsigned char *t = (const unsigned char *)text;

	if (t[0] < 0x80)
		return t[0];
	if (t[0] < 0xE0)
		return (uint32_t)(t[0] & 0x1F) << 6 | (t[1] & 0x3F);
	if (t[0] < 0xF0)
		return (uint32_t)(t[0] & 0x0F) << 12 | (uint32_t)(t[1] & 0x3F) << 6 | (t[2] & 0x3F);
	return (uint32_t)(t[0] & 0x07) << 18 | (uint32_t)(t[1] & 0x3F) << 12 |
	       (uint32_t)(t[2] & 0x3F) << 6 | (t[3] & 0x3F);
}

/* Where the character begins that ends before text[end]; end > 0. */
static inline size_t ps_utf8_before(const char *text, size_t end)
{
	do {
		end--;
	} while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80);
	return end;
}

/* Bytes of the valid character at text, of which left > 0 bytes remain; 0 if there is none. */
static inline size_t ps_utf8_valid(const char *text, size_t left)
{
	const unsigned char *t = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xBF;
	size_t length;

	if (t[0] < 0x80)
		return 1;
	if (t[0] < 0xC2 || t[0] > 0xF4)
		return 0;
	length = ps_utf8_length(t[0]);
	if (length > left)
		return 0;
	if (t[0] == 0xE0)
		low = 0xA0;
	else if (t[0] == 0xED)
		high = 0x9F;
	else if (t[0] == 0xF0)
		low = 0x90;
	else if (t[0] == 0xF4)
		high = 0x8F;
	if (t[1] < low || t[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((t[i] & 0xC0) != 0x80)
			return 0;
	return length;
}

/* The offset of the first byte that begins no valid character; length if the whole text is
 * valid. */
static inline size_t ps_utf8_invalid(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length) {
		uint64_t word;
		size_t step;

		if (length - at >= sizeof word) {
			memcpy(&word, text + at, sizeof word);
			if (!(word & 0x8080808080808080u)) {
				at += sizeof word;
				continue;
			}
		}
		step = ps_utf8_valid(text + at, length - at);
		if (!step)
			return at;
		at += step;
	}
	return length;
}

#endif
