/* tools/run/line_text.h: text for lines that must not be wider than the terminal.
 *
 * Widths are display columns: a character of UTF-8 takes 0, 1 or 2 of them, as wcwidth says.
 * Bytes that are not UTF-8 and control characters are shown as '?'. Nothing here knows about
 * terminals or time. */
#ifndef PS_TOOLS_RUN_LINE_TEXT_H
#define PS_TOOLS_RUN_LINE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define PS_LINE_BYTES 1024
#define PS_LINE_PARTS_MAX 16
#define PS_LINE_UNLIMITED ((size_t)-1)

/* A part of a line, its separator included. */
typedef struct ps_line_part {
	char wide[256];
	char narrow[256]; /* stands in for wide where there is no room; may be empty */
	int rank;         /* parts of the lowest rank become narrow first */
} ps_line_part;

typedef struct ps_line_parts {
	ps_line_part part[PS_LINE_PARTS_MAX];
	size_t count;
} ps_line_parts;

/* Appends a part; at most PS_LINE_PARTS_MAX. wide and narrow are copied. */
void ps_line_add(ps_line_parts *parts, int rank, const char *wide, const char *narrow);

/* Joins the parts in order, in at most that many columns, into out. Parts become narrow by
 * rank until the line fits; then those that have room after all are widened again; then the
 * end is cut. */
void ps_line_fit(const ps_line_parts *parts, size_t columns, char out[PS_LINE_BYTES]);

/* Copies as much of text as fits the columns and out's bytes, NUL included. Returns the
 * columns that were taken. */
size_t ps_text_cut(const char *text, size_t columns, char *out, size_t bytes);
/* Columns of the whole text. */
size_t ps_text_columns(const char *text);
/* Bytes of text that make a row of at most that many columns. The row ends before a space
 * where there is one, else within a word. */
size_t ps_text_row(const char *text, size_t columns);

/* Short forms, each returns out: "3.2s", "45s", "1m20s", "2h05m", "3d04h". Below 10 s with a
 * decimal if exact. */
char *ps_text_seconds(double seconds, bool exact, char out[24]);
/* "999", "12.3k", "4.56M". */
char *ps_text_count(double value, char out[24]);
/* "5.2k tok/s"; where a unit takes over a second "11.6 s/layer" (unit: "layers", or "layer"). */
char *ps_text_rate(double rate, const char *unit, char out[48]);

#endif
