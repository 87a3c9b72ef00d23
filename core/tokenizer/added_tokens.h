/* core/tokenizer/added_tokens.h: the added tokens of a tokenizer.json, found in the text leftmost first, longest of those.
 *
 * Tokens that are not "normalized" are searched in the raw text, the others (in normalized form) in what the
 * normalizer makes of the pieces between. A match of a token with single_word beside a word character is
 * dropped, and the search goes on after it; lstrip and rstrip take the spaces beside the match along. */
#ifndef PS_CORE_TOKENIZER_ADDED_TOKENS_H
#define PS_CORE_TOKENIZER_ADDED_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

typedef struct ps_added_token {
	int32_t id;
	bool single_word, lstrip, rstrip;
} ps_added_token;

typedef struct ps_added_tokens ps_added_tokens; /* one set of them */

int ps_added_tokens_create(ps_added_tokens **set, ps_diag *diag) PS_MUST_USE;
void ps_added_tokens_destroy(ps_added_tokens *set);
size_t ps_added_tokens_bytes(const ps_added_tokens *set);

/* length > 0. PS_EINPUT: the text is there already. */
int ps_added_tokens_add(ps_added_tokens *set, const char *text, size_t length, ps_added_token token,
			ps_diag *diag) PS_MUST_USE;

/* Cuts text at the tokens: between gets what lies between them (never empty), found their ids. */
typedef struct ps_added_sink {
	int (*between)(void *context, size_t start, size_t end);
	int (*found)(void *context, int32_t id);
	void *context;
} ps_added_sink;

int ps_added_tokens_cut(const ps_added_tokens *set, const char *text, size_t length,
			const ps_added_sink *sink) PS_MUST_USE;

#endif
