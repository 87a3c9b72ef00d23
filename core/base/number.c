#include "core/base/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"

enum {
	DIGITS_MAX = 64,        /* of a number; more are a mistake */
	EXPONENT_MAX = 1000000, /* of a power of ten; more are as good as infinitely many */
	INT_DIGITS = 19,        /* of the largest int64_t */
};

/* A largest value beyond this is that of the type, and not worth telling. */
#define NO_BOUND 0x1p62

/* A decimal number as it stands in a text: digits times 10^exponent. */
struct decimal {
	bool negative;
	char digits[DIGITS_MAX + 1]; /* without zeros at the beginning; "" stands for zero */
	int count;
	int exponent;
	const char *fault; /* why it is no number, if that is certain */
};

static bool is_digit(const char *text, const char *end)
{
	return text < end && *text >= '0' && *text <= '9';
}

static void take_digit(struct decimal *d, char digit)
{
	if (!d->count && digit == '0')
		return;
	if (d->count == DIGITS_MAX) {
		d->fault = "has too many digits";
		return;
	}
	d->digits[d->count++] = digit;
}

/* Takes digits, and '_' between two of them. Returns where they end. *places: how many. */
static const char *take_digits(struct decimal *d, const char *text, const char *end, int *places)
{
	*places = 0;
	while (is_digit(text, end) && !d->fault) {
		take_digit(d, *text++);
		++*places;
		if (text < end && *text == '_' && is_digit(text + 1, end))
			text++;
	}
	return text;
}

/* Takes "e6" or "e-3". Returns text if no power of ten begins there. */
static const char *take_power(struct decimal *d, const char *text, const char *end)
{
	const char *at = text + 1;
	bool negative;
	int power = 0;

	if (text == end || (*text != 'e' && *text != 'E'))
		return text;
	negative = at < end && *at == '-';
	at += at < end && (*at == '-' || *at == '+');
	if (!is_digit(at, end))
		return text;
	for (; is_digit(at, end); at++)
		if (power < EXPONENT_MAX)
			power = 10 * power + (*at - '0');
	d->exponent += negative ? -power : power;
	return at;
}

/* Reads the number that text begins with. Returns where it ends; text itself if there is none. */
static const char *scan(const char *text, const char *end, struct decimal *d)
{
	const char *at = text, *first;
	int before, behind = 0;

	*d = (struct decimal){.exponent = 0};
	d->negative = at < end && *at == '-';
	at += at < end && (*at == '-' || *at == '+');
	first = at;
	at = take_digits(d, at, end, &before);
	if (before > 1 && *first == '0')
		d->fault = "begins with a zero, which some programs take for octal";
	if (at < end && *at == '.' && (before || is_digit(at + 1, end)))
		at = take_digits(d, at + 1, end, &behind);
	if (!before && !behind)
		return text;
	d->exponent = -behind;
	at = take_power(d, at, end);
	while (d->count && d->digits[d->count - 1] == '0') {
		d->count--;
		d->exponent++;
	}
	d->digits[d->count] = 0;
	return at;
}

/* Takes a unit of whole numbers. Returns where it ends. */
static const char *take_unit(struct decimal *d, const char *at, const char *end)
{
	static const struct {
		char letter;
		int power;
	} units[] = {{'k', 3}, {'K', 3}, {'M', 6}, {'G', 9}};

	for (size_t i = 0; i < sizeof units / sizeof *units && at < end; i++)
		if (*at == units[i].letter) {
			d->exponent += units[i].power;
			return at + 1;
		}
	return at;
}

const char *ps_number_whole(const char *text, size_t length, int64_t *value)
{
	const char *const end = text + length;
	char digits[INT_DIGITS + 2];
	struct decimal d;
	const char *at = scan(text, end, &d);
	int count;

	if (at != text && !d.fault)
		at = take_unit(&d, at, end);
	if (at == text || at != end)
		return "is not a whole number";
	if (d.fault)
		return d.fault;
	if (d.count && d.exponent < 0)
		return "is not a whole number";
	if (d.count + (d.count ? d.exponent : 0) > INT_DIGITS)
		return "is too large";
	count = snprintf(digits, sizeof digits, "%s%s", d.negative ? "-" : "",
			 d.count ? d.digits : "0");
	for (int i = 0; i < d.exponent && d.count; i++)
		digits[count++] = '0';
	digits[count] = 0;
	errno = 0;
	const long long parsed = strtoll(digits, NULL, 10);

	if (errno)
		return "is too large";
	*value = parsed;
	return NULL;
}

/* The decimal as a double, rounded once. Returns NULL, or why it is none. */
static const char *to_double(const struct decimal *d, double *value)
{
	char text[DIGITS_MAX + 16];

	*value = 0;
	if (!d->count)
		return NULL;
	snprintf(text, sizeof text, "%s%se%d", d->negative ? "-" : "", d->digits, d->exponent);
	*value = strtod(text, NULL);
	if (!isfinite(*value))
		return "is too large";
	return *value == 0 ? "is too small to be told from 0" : NULL;
}

const char *ps_number_real(const char *text, size_t length, bool share, double *value)
{
	const char *const end = text + length;
	struct decimal d;
	const char *at = scan(text, end, &d), *fault;
	double parsed;

	if (at != text && share && at < end && *at == '%') {
		d.exponent -= 2;
		at++;
	}
	if (at == text || at != end)
		return "is not a number";
	fault = d.fault ? d.fault : to_double(&d, &parsed);
	if (!fault)
		*value = parsed;
	return fault;
}

size_t ps_number_prefix(const char *text, size_t length, double *value)
{
	struct decimal d;
	const char *at = scan(text, text + length, &d);

	return at == text || d.fault || to_double(&d, value) ? 0 : (size_t)(at - text);
}

bool ps_range_has(ps_range r, double value)
{
	return (r.above ? value > r.least : value >= r.least) &&
	       (r.below ? value < r.most : value <= r.most);
}

char *ps_range_format(ps_range r, char *out)
{
	const char *const least = r.above ? "above" : "at least";

	if (r.most >= NO_BOUND)
		snprintf(out, PS_RANGE_TEXT, "%s %.15g", least, r.least);
	else if (!r.above && !r.below)
		snprintf(out, PS_RANGE_TEXT, "%.15g to %.15g", r.least, r.most);
	else
		snprintf(out, PS_RANGE_TEXT, "%s %.15g and %s %.15g", least, r.least,
			 r.below ? "below" : "at most", r.most);
	return out;
}

/* The length of the control character at text, 0 if none is there. U+0080 to U+009F are some. */
static size_t control(const char *text, size_t length)
{
	const unsigned char *t = (const unsigned char *)text;

	if (t[0] < 0x20 || t[0] == 0x7f)
		return 1;
	return t[0] == 0xc2 && length > 1 && t[1] >= 0x80 && t[1] < 0xa0 ? 2 : 0;
}

bool ps_text_has_control(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (control(text + i, length - i))
			return true;
	return false;
}

/* Writes how a character is shown to out (at least 5 bytes). Returns how many bytes it stands
 * for. */
static size_t show(const char *text, size_t length, char *out)
{
	const size_t bytes = control(text, length) ? 0 : ps_utf8_valid(text, length);

	if (bytes) {
		memcpy(out, text, bytes);
		out[bytes] = 0;
		return bytes;
	}
	if (text[0] == '\n' || text[0] == '\t')
		snprintf(out, 5, "\\%c", text[0] == '\n' ? 'n' : 't');
	else
		snprintf(out, 5, "\\x%02x", (unsigned char)text[0]);
	return 1;
}

char *ps_text_show(const char *text, size_t length, char *out, size_t size)
{
	size_t used = 0, at = 0;
	char part[8];

	while (at < length) {
		const size_t bytes = show(text + at, length - at, part);

		if (used + strlen(part) + 4 > size) {
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		memcpy(out + used, part, strlen(part));
		used += strlen(part);
		at += bytes;
	}
	out[used] = 0;
	return out;
}
