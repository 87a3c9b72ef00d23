/* core/tokenizer/pattern.h: the patterns of a tokenizer.json: plain strings, and regular expressions in Oniguruma's Ruby
 * syntax, matched as the tokenizers library matches them.
 *
 * The regex library's own Unicode tables are not used. The pattern is read here: every character class becomes a
 * set of code points, the sets' partition gives each code point one letter, the text is rewritten to one letter
 * (one byte) per character, and PCRE2 matches classes of bytes.
 *
 * Understood: literals, escapes (\t \n \r \f \v \a \e \xHH \x{H} \uHHHH), . \s \S \d \D \w \W, \p{..} \P{..}
 * \p{^..} of general categories and Han, [...] with ranges, negation, nested classes; groups (..) (?:..) (?i:..)
 * (?-i:..) (?=..) (?!..) (?<=..) (?<!..) (?>..), a leading (?i); | ; greedy, lazy and possessive quantifiers;
 * ^ $ \A \z. Under (?i) ASCII letters alone (with U+017F and U+212A, which fold to s and k).
 * Anything else: PS_EINPUT naming it. Nothing is ever silently read as something else. */
#ifndef PS_CORE_TOKENIZER_PATTERN_H
#define PS_CORE_TOKENIZER_PATTERN_H

#include <stddef.h>

#include "core/base/error.h"

typedef struct ps_pattern ps_pattern;

int ps_pattern_create_string(ps_pattern **pattern, const char *text, size_t length,
			     ps_diag *diag) PS_MUST_USE;
int ps_pattern_create_regex(ps_pattern **pattern, const char *regex, size_t length,
			    ps_diag *diag) PS_MUST_USE;
void ps_pattern_destroy(ps_pattern *pattern);
size_t ps_pattern_bytes(const ps_pattern *pattern);

/* Opens a text (valid UTF-8, borrowed until the last ps_pattern_next). One text at a time. */
int ps_pattern_open(ps_pattern *pattern, const char *text, size_t length,
		    ps_diag *diag) PS_MUST_USE;

/* 1 and the next match as byte offsets [*start, *end), 0 when there is none. An empty match directly after the
 * last match is passed over. PS_EINPUT: the pattern exceeds the limit of steps. */
int ps_pattern_next(ps_pattern *pattern, size_t *start, size_t *end, ps_diag *diag) PS_MUST_USE;

#endif
