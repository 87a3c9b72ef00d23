#include <stdlib.h>
#include <string.h>

#include "test/fuzz/support_fuzz.h"

enum { SPANS_MAX = 2048, DEPTH_MAX = 64 };

/* A value or a key of the text. */
struct span {
	size_t at, length;
};

struct spans {
	struct span span[SPANS_MAX];
	size_t count;
};

static uint32_t draw(unsigned *state, size_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return below ? (uint32_t)((*state >> 8) % below) : 0;
}

static size_t string_end(const uint8_t *text, size_t length, size_t at)
{
	for (at++; at < length && text[at] != '"'; at++)
		at += text[at] == '\\';
	return at < length ? at + 1 : length;
}

static void add_span(struct spans *s, size_t at, size_t end)
{
	if (s->count < SPANS_MAX && end > at)
		s->span[s->count++] = (struct span){at, end - at};
}

/* Finds strings, other scalars, and whole arrays and objects. The text need not be valid. */
static void find_spans(struct spans *s, const uint8_t *text, size_t length)
{
	size_t opened[DEPTH_MAX], depth = 0;

	s->count = 0;
	for (size_t at = 0; at < length && s->count < SPANS_MAX;) {
		size_t end = at + 1;

		switch (text[at]) {
		case '"':
			end = string_end(text, length, at);
			add_span(s, at, end);
			break;
		case '{':
		case '[':
			if (depth < DEPTH_MAX)
				opened[depth++] = at;
			break;
		case '}':
		case ']':
			if (depth)
				add_span(s, opened[--depth], end);
			break;
		case ' ':
		case '\n':
		case '\t':
		case '\r':
		case ',':
		case ':':
			break;
		default:
			while (end < length && !strchr(" \n\t\r,:{}[]\"", text[end]))
				end++;
			add_span(s, at, end);
		}
		at = end;
	}
}

/* Puts other bytes in the place of a span. Returns the new length; the text stays as it is if it
 * would be too long. */
static size_t replace(uint8_t *text, size_t length, size_t max, struct span span, const void *bytes,
		      size_t count)
{
	size_t rest = length - span.at - span.length;

	if (span.at + count + rest > max)
		return length;
	memmove(text + span.at + count, text + span.at + span.length, rest);
	memcpy(text + span.at, bytes, count);
	return span.at + count + rest;
}

static const char *const odd_values[] = {
	"null",
	"true",
	"false",
	"0",
	"-0",
	"-1",
	"1",
	"2",
	"3",
	"0.5",
	"1e308",
	"-1e308",
	"1e400",
	"1e-400",
	"2147483647",
	"2147483648",
	"4294967296",
	"9223372036854775807",
	"-9223372036854775808",
	"9223372036854775808",
	"18446744073709551615",
	"1000000000000000000000",
	"\"\"",
	"\"a\"",
	"\"\\u0000\"",
	"\"\\ud800\"",
	"\"../x\"",
	"\"NaN\"",
	"NaN",
	"Infinity",
	"-Infinity",
	"[]",
	"{}",
	"[[]]",
	"[0, 0]",
	"[1, 2, 3]",
	"{\"a\": 1}",
	"16.0",
	"\"16\"",
	"0x10",
	"01",
	"\"none\"",
	"\"F32\"",
	"\"BF16\"",
	"\"I64\"",
};

/* A copy of the span's bytes, so that they survive a move. */
static size_t copy_span(uint8_t *text, size_t length, size_t max, struct span to, struct span from)
{
	uint8_t *bytes = malloc(from.length + 1);

	if (!bytes)
		abort();
	memcpy(bytes, text + from.at, from.length);
	length = replace(text, length, max, to, bytes, from.length);
	free(bytes);
	return length;
}

/* The piece from a value to the beginning of the next one: with its comma or colon. */
static struct span piece_of(const struct spans *s, size_t index, size_t length)
{
	struct span piece = s->span[index];
	size_t next = index + 1 < s->count ? s->span[index + 1].at : length;

	if (next > piece.at)
		piece.length = next - piece.at;
	return piece;
}

size_t support_mutate_json(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	static struct spans s;
	unsigned state = seed;
	struct span one, other;
	const char *odd;

	find_spans(&s, bytes, length);
	if (!s.count || !draw(&state, 4))
		return LLVMFuzzerMutate(bytes, length, max);
	one = s.span[draw(&state, s.count)];
	other = s.span[draw(&state, s.count)];
	switch (draw(&state, 6)) {
	case 0:
		return copy_span(bytes, length, max, one, other);
	case 1:
		one = piece_of(&s, draw(&state, s.count), length);
		return copy_span(bytes, length, max, (struct span){one.at, 0}, one);
	case 2:
		one = piece_of(&s, draw(&state, s.count), length);
		return replace(bytes, length, max, one, "", 0);
	case 3:
		length = replace(bytes, length, max, (struct span){one.at + one.length, 0}, "]", 1);
		return replace(bytes, length, max, (struct span){one.at, 0}, "[", 1);
	default:
		odd = odd_values[draw(&state, sizeof odd_values / sizeof *odd_values)];
		return replace(bytes, length, max, one, odd, strlen(odd));
	}
}

size_t support_mutate_safetensors(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	unsigned state = seed ^ 0x9e3779b9u;
	uint64_t header;
	size_t changed, body;
	uint8_t *text;

	if (length < 8 || !draw(&state, 5))
		return LLVMFuzzerMutate(bytes, length, max);
	memcpy(&header, bytes, sizeof header);
	if (header > length - 8 || !header)
		return LLVMFuzzerMutate(bytes, length, max);
	body = length - 8 - (size_t)header;
	if (8 + body >= max)
		return LLVMFuzzerMutate(bytes, length, max);
	text = malloc(max);
	if (!text)
		abort();
	memcpy(text, bytes + 8, (size_t)header);
	changed = support_mutate_json(text, (size_t)header, max - 8 - body, seed);
	memmove(bytes + 8 + changed, bytes + 8 + header, body);
	memcpy(bytes + 8, text, changed);
	free(text);
	header = changed;
	if (draw(&state, 16))
		memcpy(bytes, &header, sizeof header);
	return 8 + changed + body;
}
