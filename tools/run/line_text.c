#include "tools/run/line_text.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "core/base/utf8.h"

static locale_t utf8_locale;
static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;

/* The program runs in the C locale, where wcwidth knows ASCII only. */
static void open_locale(void)
{
	utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Columns of a code point; -1: a control character. */
static int code_point_columns(uint32_t code_point)
{
	locale_t before;
	int columns;

	if (code_point < 0x80)
		return code_point < 0x20 || code_point == 0x7F ? -1 : 1;
	pthread_once(&utf8_once, open_locale);
	if (!utf8_locale)
		return 1;
	before = uselocale(utf8_locale);
	columns = wcwidth((wchar_t)code_point);
	uselocale(before);
	return columns;
}

/* The next character of a text: its bytes, its columns, and whether it can be shown. */
struct character {
	size_t bytes, columns;
	bool shown;
};

static struct character character_at(const char *text)
{
	size_t bytes = ps_utf8_valid(text, strnlen(text, 4));
	int columns = bytes ? code_point_columns(ps_utf8_decode(text)) : -1;

	if (columns < 0)
		return (struct character){bytes ? bytes : 1, 1, false};
	return (struct character){bytes, (size_t)columns, true};
}

size_t ps_text_cut(const char *text, size_t columns, char *out, size_t bytes)
{
	size_t used = 0, taken = 0;

	while (*text) {
		struct character c = character_at(text);

		if (c.columns > columns - taken || c.bytes > bytes - 1 - used)
			break;
		if (c.shown)
			memcpy(out + used, text, c.bytes);
		else
			out[used] = '?';
		used += c.shown ? c.bytes : 1;
		taken += c.columns;
		text += c.bytes;
	}
	out[used] = 0;
	return taken;
}

size_t ps_text_columns(const char *text)
{
	size_t columns = 0;

	while (*text) {
		struct character c = character_at(text);

		columns += c.columns;
		text += c.bytes;
	}
	return columns;
}

size_t ps_text_row(const char *text, size_t columns)
{
	size_t at = 0, taken = 0, space = 0;

	while (text[at]) {
		struct character c = character_at(text + at);

		if (taken + c.columns > columns)
			break;
		if (text[at] == ' ')
			space = at;
		taken += c.columns;
		at += c.bytes;
	}
	if (!text[at] || text[at] == ' ')
		return at;
	if (space)
		return space;
	return at ? at : character_at(text).bytes;
}

void ps_line_add(ps_line_parts *parts, int rank, const char *wide, const char *narrow)
{
	ps_line_part *part = &parts->part[parts->count++];

	part->rank = rank;
	snprintf(part->wide, sizeof part->wide, "%s", wide);
	snprintf(part->narrow, sizeof part->narrow, "%s", narrow);
}

static size_t columns_of(const ps_line_parts *parts, const bool *narrow)
{
	size_t columns = 0;

	for (size_t i = 0; i < parts->count; i++)
		columns += ps_text_columns(narrow[i] ? parts->part[i].narrow : parts->part[i].wide);
	return columns;
}

/* The part of the least rank (or the greatest) that is still to be tried; count: none. */
static size_t next_part(const ps_line_parts *parts, const bool *skip, bool least)
{
	size_t best = parts->count;

	for (size_t i = 0; i < parts->count; i++)
		if (!skip[i] && (best == parts->count ||
				 (least ? parts->part[i].rank < parts->part[best].rank
					: parts->part[i].rank > parts->part[best].rank)))
			best = i;
	return best;
}

void ps_line_fit(const ps_line_parts *parts, size_t columns, char out[PS_LINE_BYTES])
{
	bool narrow[PS_LINE_PARTS_MAX] = {false}, tried[PS_LINE_PARTS_MAX];
	char line[PS_LINE_PARTS_MAX * sizeof parts->part[0].wide];
	size_t i, used = 0;

	while (columns_of(parts, narrow) > columns &&
	       (i = next_part(parts, narrow, true)) < parts->count)
		narrow[i] = true;
	for (i = 0; i < parts->count; i++)
		tried[i] = !narrow[i];
	while ((i = next_part(parts, tried, false)) < parts->count) {
		narrow[i] = false;
		narrow[i] = columns_of(parts, narrow) > columns;
		tried[i] = true;
	}
	line[0] = 0;
	for (i = 0; i < parts->count; i++)
		used += (size_t)snprintf(line + used, sizeof line - used, "%s",
					 narrow[i] ? parts->part[i].narrow : parts->part[i].wide);
	ps_text_cut(line, columns, out, PS_LINE_BYTES);
}

char *ps_text_seconds(double seconds, bool exact, char out[24])
{
	long s = (long)fmin(seconds + 0.5, 8.64e6); /* 100 days */

	if (exact && seconds < 9.95)
		snprintf(out, 24, "%.1fs", seconds);
	else if (s < 60)
		snprintf(out, 24, "%lds", s);
	else if (s < 3600)
		snprintf(out, 24, "%ldm%02lds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, 24, "%ldh%02ldm", s / 3600, s / 60 % 60);
	else
		snprintf(out, 24, "%ldd%02ldh", s / 86400, s / 3600 % 24);
	return out;
}

char *ps_text_count(double value, char out[24])
{
	static const char suffix[] = " kMGT";
	int i = 0;

	/* 999.5 and above would be rounded to 1e+03. */
	for (; value >= 999.5 && i < 4; i++)
		value /= 1000;
	snprintf(out, 24, i ? "%.3g%c" : "%.3g", value, suffix[i]);
	return out;
}

/* Writes a plural without its ending: "layer", "matrix". Other words stay as they are. */
static void to_singular(const char *unit, char out[48])
{
	const size_t length = strlen(unit);

	snprintf(out, 48, "%s", unit);
	if (length >= 4 && length < 48 && !strcmp(unit + length - 4, "ices"))
		snprintf(out + length - 4, 3, "ix");
	else if (length > 1 && length < 48 && unit[length - 1] == 's')
		out[length - 1] = 0;
}

char *ps_text_rate(double rate, const char *unit, char out[48])
{
	char number[24], single[48];

	if (rate >= 1) {
		snprintf(out, 48, "%s %s/s", ps_text_count(rate, number), unit);
		return out;
	}
	to_singular(unit, single);
	snprintf(out, 48, 1 / rate < 100 ? "%.3g s/%s" : "%.0f s/%s", 1 / rate, single);
	return out;
}
