/* core/tokenizer/unicode_tables.h: the general category and a few properties of every code point.
 *
 * core/tokenizer/unicode_tables.py writes core/tokenizer/unicode_tables.c. */
#ifndef PS_CORE_TOKENIZER_UNICODE_TABLES_H
#define PS_CORE_TOKENIZER_UNICODE_TABLES_H

#include <stddef.h>
#include <stdint.h>

/* The categories; a category is its index here, as in the generator. */
#define PS_CATEGORIES                                                                              \
	"Cn Cc Cf Co Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp"
#define PS_CATEGORY_MASK 31u

enum {
	PS_UNICODE_SPACE = 1 << 5,      /* \s of the splitting regex */
	PS_UNICODE_WORD = 1 << 6,       /* \w of the splitting regex */
	PS_UNICODE_NUMERIC = 1 << 7,    /* what Digits splits at */
	PS_UNICODE_EDGE_WORD = 1 << 8,  /* \w beside an added token (single_word) */
	PS_UNICODE_EDGE_SPACE = 1 << 9, /* \s beside an added token (lstrip, rstrip) */
	PS_UNICODE_HAN = 1 << 10,       /* \p{Han} */
};

/* Runs of code points with the same properties: first code point << 11 | properties. A run ends
 * where the next begins. */
extern const uint32_t ps_unicode_run[];
extern const size_t ps_unicode_run_count;

#define PS_RUN_START(run) ((run) >> 11)
#define PS_RUN_PROPERTIES(run) ((run)&0x7FFu)

/* The properties of a code point below PS_UNICODE_END, found in O(log runs). */
static inline uint32_t ps_unicode_properties(uint32_t code)
{
	size_t low = 0, high = ps_unicode_run_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (PS_RUN_START(ps_unicode_run[middle]) <= code)
			low = middle;
		else
			high = middle;
	}
	return PS_RUN_PROPERTIES(ps_unicode_run[low]);
}

#endif
