/* core/tokenizer/charset.h: sets of code points as sorted, disjoint ranges, and the partition that a family of sets makes:
 * code points that no set tells apart share a letter (1..255). */
#ifndef PS_CORE_TOKENIZER_CHARSET_H
#define PS_CORE_TOKENIZER_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct ps_range {
	uint32_t first, last; /* both within */
} ps_range;

typedef struct ps_charset {
	ps_range *range;
	size_t count, capacity;
} ps_charset;

/* Ranges may be added in any order and overlap; ps_charset_settle sorts and joins them, and the rest of this
 * page expects settled sets. */
int ps_charset_add(ps_charset *set, uint32_t first, uint32_t last, ps_diag *diag) PS_MUST_USE;
int ps_charset_add_set(ps_charset *set, const ps_charset *other, ps_diag *diag) PS_MUST_USE;
/* Code points with one of the categories (bit = index in PS_CATEGORIES) or one of the flags (PS_UNICODE_*). */
int ps_charset_add_properties(ps_charset *set, uint32_t categories, uint32_t flags,
			      ps_diag *diag) PS_MUST_USE;
void ps_charset_settle(ps_charset *set);
int ps_charset_negate(ps_charset *set, ps_diag *diag) PS_MUST_USE;
bool ps_charset_has(const ps_charset *set, uint32_t code);
bool ps_charset_equal(const ps_charset *a, const ps_charset *b);
void ps_charset_free(ps_charset *set);

/* letter[code] for every code point (PS_UNICODE_END bytes), and uses[256 * s + l], whether set s holds letter l.
 * PS_EINPUT when 255 letters are too few. */
int ps_charset_partition(const ps_charset *sets, size_t count, uint8_t *letter, bool *uses,
			 ps_diag *diag) PS_MUST_USE;

#endif
