/* core/base/number.h: numbers as people write them, in a study file or on a command line.
 *
 * A text is a number as a whole, or it is refused. Nothing is cut off, and nothing is rounded to a
 * whole number.
 *
 *   5  +5  -5        decimal digits; a sign may stand before them
 *   1_000            '_' may stand between two digits
 *   512e3  2.5e6     powers of ten
 *   600k  2.5M       whole numbers only: k or K is 1,000, M is 1,000,000, G is 1,000,000,000
 *   30%              shares only: hundredths
 *
 * Refused: blanks, hexadecimal digits, a leading zero (010 is 8 for some programs, 10 for others),
 * nan, inf, what is too large for its type, and a fraction where a whole number is wanted (5.0 and
 * 0.5k are whole). SIZE of --memory has units of its own (ps_size_parse, core/base/arena.h). */
#ifndef PS_CORE_BASE_NUMBER_H
#define PS_CORE_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads all `length` bytes of text as a whole number. Returns NULL, or why it is none: the rest of
 * a sentence that begins with the text, such as "is not a whole number". *value then stays as it
 * was. */
const char *ps_number_whole(const char *text, size_t length, int64_t *value);
/* The same for a real number. share: a '%' may stand behind it. -0 becomes 0. */
const char *ps_number_real(const char *text, size_t length, bool share, double *value);
/* The length of the real number that text begins with, which may be 0. Its value goes to *value.
 * For numbers with units behind them. */
size_t ps_number_prefix(const char *text, size_t length, double *value);

/* The values that a number may have. */
typedef struct ps_range {
	double least, most; /* most may be INFINITY */
	bool above, below;  /* the value least, or most, is itself left out */
} ps_range;

#define PS_FROM(first) ((ps_range){.least = (first), .most = __builtin_inf()})
#define PS_BETWEEN(first, last) ((ps_range){.least = (first), .most = (last)})
#define PS_ABOVE(bound) ((ps_range){.least = (bound), .most = __builtin_inf(), .above = true})

bool ps_range_has(ps_range range, double value);
/* Writes "at least 1", "1 to 256", "above 0 and below 1" into out (PS_RANGE_TEXT bytes) and returns
 * out. */
#define PS_RANGE_TEXT 80
char *ps_range_format(ps_range range, char *out);

/* Whether a control character is in the text: U+0000 to U+001F, U+007F to U+009F. */
bool ps_text_has_control(const char *text, size_t length);
/* Writes a text for a message into out (size bytes, at least 8), and returns out: control
 * characters and bytes that are not UTF-8 as \n, \t or \xHH; a long text cut, with "..." behind
 * it. */
char *ps_text_show(const char *text, size_t length, char *out, size_t size);
#define PS_SHOWN 72 /* bytes that are enough to recognise a value */

#endif
