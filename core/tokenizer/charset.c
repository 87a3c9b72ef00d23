#include "core/tokenizer/charset.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/array.h"
#include "core/base/utf8.h"
#include "core/tokenizer/unicode_tables.h"

#define SIGNATURE_WORDS 4 /* bits for 256 sets */

int ps_charset_add(ps_charset *set, uint32_t first, uint32_t last, ps_diag *diag)
{
	ps_range *range =
		ps_array_grow(set->range, &set->capacity, set->count + 1, sizeof *range, diag);

	if (!range)
		return PS_EBUDGET;
	set->range = range;
	set->range[set->count++] = (ps_range){first, last};
	return 0;
}

int ps_charset_add_set(ps_charset *set, const ps_charset *other, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < other->count && !rc; i++)
		rc = ps_charset_add(set, other->range[i].first, other->range[i].last, diag);
	return rc;
}

int ps_charset_add_properties(ps_charset *set, uint32_t categories, uint32_t flags, ps_diag *diag)
{
	int rc = 0;

	for (size_t i = 0; i < ps_unicode_run_count && !rc; i++) {
		uint32_t properties = PS_RUN_PROPERTIES(ps_unicode_run[i]);
		uint32_t end = i + 1 < ps_unicode_run_count ? PS_RUN_START(ps_unicode_run[i + 1])
							    : PS_UNICODE_END;

		if ((categories >> (properties & PS_CATEGORY_MASK) & 1) || (properties & flags))
			rc = ps_charset_add(set, PS_RUN_START(ps_unicode_run[i]), end - 1, diag);
	}
	return rc;
}

static int by_first(const void *a, const void *b)
{
	const ps_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void ps_charset_settle(ps_charset *set)
{
	size_t kept = 0;

	if (!set->count)
		return;
	qsort(set->range, set->count, sizeof *set->range, by_first);
	for (size_t i = 1; i < set->count; i++) {
		ps_range *last = &set->range[kept];

		if (set->range[i].first > last->last + 1)
			set->range[++kept] = set->range[i];
		else if (set->range[i].last > last->last)
			last->last = set->range[i].last;
	}
	set->count = kept + 1;
}

int ps_charset_negate(ps_charset *set, ps_diag *diag)
{
	ps_charset rest = {0};
	uint32_t next = 0;
	int rc = 0;

	for (size_t i = 0; i < set->count && !rc; i++) {
		if (set->range[i].first > next)
			rc = ps_charset_add(&rest, next, set->range[i].first - 1, diag);
		next = set->range[i].last + 1;
	}
	if (!rc && next < PS_UNICODE_END)
		rc = ps_charset_add(&rest, next, PS_UNICODE_END - 1, diag);
	ps_charset_free(set);
	*set = rest;
	return rc;
}

bool ps_charset_has(const ps_charset *set, uint32_t code)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->range[middle].last < code)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && set->range[low].first <= code;
}

bool ps_charset_equal(const ps_charset *a, const ps_charset *b)
{
	return a->count == b->count &&
	       (!a->count || !memcmp(a->range, b->range, a->count * sizeof *a->range));
}

void ps_charset_free(ps_charset *set)
{
	free(set->range);
	*set = (ps_charset){0};
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The sorted code points where a set may begin or end, with 0 first and PS_UNICODE_END last. */
static int collect_bounds(const ps_charset *sets, size_t count, uint32_t **bounds,
			  size_t *bound_count, ps_diag *diag)
{
	size_t total = 2, n = 0;
	uint32_t *bound;

	for (size_t s = 0; s < count; s++)
		total += 2 * sets[s].count;
	bound = malloc(total * sizeof *bound);
	if (!bound)
		return ps_fail(diag, PS_EBUDGET, "no memory for %zu bounds of character classes",
			       total);
	bound[n++] = 0;
	bound[n++] = PS_UNICODE_END;
	for (size_t s = 0; s < count; s++) {
		for (size_t i = 0; i < sets[s].count; i++) {
			bound[n++] = sets[s].range[i].first;
			bound[n++] = sets[s].range[i].last + 1;
		}
	}
	qsort(bound, n, sizeof *bound, by_value);
	*bounds = bound;
	*bound_count = n;
	return 0;
}

/* The letter of a signature: that of an equal one, or the next; 0 if none is left. */
static unsigned letter_of(uint64_t known[256][SIGNATURE_WORDS], unsigned *letters,
			  const uint64_t *signature)
{
	for (unsigned l = 1; l <= *letters; l++)
		if (!memcmp(known[l], signature, SIGNATURE_WORDS * sizeof *signature))
			return l;
	if (*letters == 255)
		return 0;
	memcpy(known[++*letters], signature, SIGNATURE_WORDS * sizeof *signature);
	return *letters;
}

int ps_charset_partition(const ps_charset *sets, size_t count, uint8_t *letter, bool *uses,
			 ps_diag *diag)
{
	uint64_t known[256][SIGNATURE_WORDS] = {{0}};
	unsigned letters = 0;
	uint32_t *bound = NULL;
	size_t bound_count = 0;
	int rc;

	if (count > 64 * SIGNATURE_WORDS)
		return ps_fail(diag, PS_EINPUT, "the pattern has more than %d character classes",
			       64 * SIGNATURE_WORDS);
	rc = collect_bounds(sets, count, &bound, &bound_count, diag);
	if (rc)
		return rc;
	for (size_t i = 0; i + 1 < bound_count; i++) {
		uint64_t signature[SIGNATURE_WORDS] = {0};
		unsigned l;

		if (bound[i] == bound[i + 1])
			continue;
		for (size_t s = 0; s < count; s++)
			signature[s / 64] |= (uint64_t)ps_charset_has(&sets[s], bound[i]) << s % 64;
		l = letter_of(known, &letters, signature);
		if (!l) {
			rc = ps_fail(diag, PS_EINPUT,
				     "the pattern tells more than 255 kinds of characters apart");
			break;
		}
		memset(letter + bound[i], (int)l, bound[i + 1] - bound[i]);
	}
	for (size_t s = 0; s < count; s++)
		for (unsigned l = 0; l < 256; l++)
			uses[256 * s + l] = known[l][s / 64] >> s % 64 & 1;
	free(bound);
	return rc;
}
