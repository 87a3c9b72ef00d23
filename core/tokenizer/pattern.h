/* core/tokenizer/pattern.h: the patterns of a tokenizer.json, matched as the tokenizers library
 * matches them.
 *
 * A pattern is a plain string, or a regular expression in Oniguruma's Ruby syntax.
 *
 * Regular expressions do not depend on the Unicode tables of a regex library. This is how they
 * work:
 *   1. The expression is parsed here. Every character class becomes a set of code points.
 *   2. The partition of the sets gives each code point one letter (core/tokenizer/charset.h).
 *   3. The text is rewritten: one letter, one byte, for each character.
 *   4. PCRE2 matches classes of bytes.
 *
 * Understood:
 *   - literals, and the escapes \t \n \r \f \v \a \e \xHH \x{H} \uHHHH;
 *   - . \s \S \d \D \w \W, and \p{..} \P{..} \p{^..} of general categories and Han;
 *   - [...] with ranges, negation and nested classes;
 *   - groups (..) (?:..) (?i:..) (?-i:..) (?=..) (?!..) (?<=..) (?<!..) (?>..), and a leading (?i);
 *   - | and greedy, lazy and possessive quantifiers; ^ $ \A \z.
 * An expression has at most 2,048 bytes. Under (?i) only ASCII letters fold, and U+017F and U+212A,
 * which fold to s and k. Anything else is PS_EINPUT, and the message names it. Nothing is silently
 * taken for something else. */
#ifndef PS_CORE_TOKENIZER_PATTERN_H
#define PS_CORE_TOKENIZER_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/array.h"
#include "core/base/error.h"

typedef struct ps_pattern ps_pattern;

/* A pattern that matches this text. */
int ps_pattern_create_string(ps_pattern **pattern, const char *text, size_t length,
			     ps_diag *diag) PS_MUST_USE;

/* A regular expression. PS_EINPUT if it is not understood, PS_EBUDGET without memory. */
int ps_pattern_create_regex(ps_pattern **pattern, const char *regex, size_t length,
			    ps_diag *diag) PS_MUST_USE;

/* Frees it; NULL is allowed. */
void ps_pattern_destroy(ps_pattern *pattern);

/* Whether it is the pattern that matches this text. */
bool ps_pattern_is_string(const ps_pattern *pattern, const char *text);

/* The text that it matches, *length bytes; NULL: it is a regular expression. */
const char *ps_pattern_string(const ps_pattern *pattern, size_t *length);

/* Bytes that it holds. */
size_t ps_pattern_bytes(const ps_pattern *pattern);

/* What grows with the text grows in this room from now on. */
void ps_pattern_share(ps_pattern *pattern, ps_room *room);
/* The most bytes that a text of so many bytes takes of the room. */
double ps_pattern_room(const ps_pattern *pattern, double length);
/* The bytes of the shortest match. */
size_t ps_pattern_shortest(const ps_pattern *pattern);

/* Opens a text of valid UTF-8, which is borrowed until the last ps_pattern_next. A pattern has one
 * open text at a time. */
int ps_pattern_open(ps_pattern *pattern, const char *text, size_t length,
		    ps_diag *diag) PS_MUST_USE;

/* Finds the next match, byte offsets [*start, *end): 1, or 0 if there is none. An empty match
 * directly behind the last match is skipped. PS_EINPUT if the search takes too many steps. */
int ps_pattern_next(ps_pattern *pattern, size_t *start, size_t *end, ps_diag *diag) PS_MUST_USE;

#endif
