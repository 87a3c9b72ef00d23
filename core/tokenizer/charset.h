/* core/tokenizer/charset.h: sets of code points, as sorted and disjoint ranges.
 *
 * Several sets make a partition: code points that belong to the same of the sets share a letter (1
 * to 255). */
#ifndef PS_CORE_TOKENIZER_CHARSET_H
#define PS_CORE_TOKENIZER_CHARSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct ps_range {
	uint32_t first, last; /* both belong to the range */
} ps_range;

/* All zeros: empty. */
typedef struct ps_charset {
	ps_range *range;
	size_t count, capacity;
} ps_charset;

/* Adds a range. Ranges may come in any order and overlap, until ps_charset_settle. PS_EBUDGET if
 * there is no memory. */
int ps_charset_add(ps_charset *set, uint32_t first, uint32_t last, ps_diag *diag) PS_MUST_USE;

/* Adds the ranges of another set. */
int ps_charset_add_set(ps_charset *set, const ps_charset *other, ps_diag *diag) PS_MUST_USE;

/* Adds the code points that have one of the categories (bit: index in PS_CATEGORIES) or one of the
 * flags (PS_UNICODE_...). */
int ps_charset_add_properties(ps_charset *set, uint32_t categories, uint32_t flags,
			      ps_diag *diag) PS_MUST_USE;

/* Sorts and joins the ranges. The functions below expect settled sets. */
void ps_charset_settle(ps_charset *set);

/* Turns the set into its complement. */
int ps_charset_negate(ps_charset *set, ps_diag *diag) PS_MUST_USE;

/* Whether the set has a code point. */
bool ps_charset_has(const ps_charset *set, uint32_t code);

/* Whether two sets are the same. */
bool ps_charset_equal(const ps_charset *a, const ps_charset *b);

/* Frees the memory and empties the set. */
void ps_charset_free(ps_charset *set);

/* Fills letter[code] for every code point (PS_UNICODE_END bytes), and uses[256 * s + l], whether
 * set s holds letter l. PS_EINPUT if 255 letters are too few. */
int ps_charset_partition(const ps_charset *sets, size_t count, uint8_t *letter, bool *uses,
			 ps_diag *diag) PS_MUST_USE;

#endif
