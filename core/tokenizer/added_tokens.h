/* core/tokenizer/added_tokens.h: the added tokens of a tokenizer.json, found in the text.
 *
 * The leftmost match counts; of several there, the longest. Tokens that are not "normalized" are
 * searched in the raw text. The others, in their normalized form, are searched in the normalized
 * pieces between these. A match of a single_word token beside a word character is dropped, and the
 * search goes on behind it. lstrip and rstrip extend a match over the spaces beside it. */
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

typedef struct ps_added_tokens ps_added_tokens; /* a set that is searched together */

/* An empty set. PS_EBUDGET if there is no memory. */
int ps_added_tokens_create(ps_added_tokens **set, ps_diag *diag) PS_MUST_USE;

/* Frees it; NULL is allowed. */
void ps_added_tokens_destroy(ps_added_tokens *set);

/* Bytes that it holds. */
size_t ps_added_tokens_bytes(const ps_added_tokens *set);

/* Adds a token with its text, length > 0. PS_EINPUT if the text is there already, or has more than
 * 256 bytes. */
int ps_added_tokens_add(ps_added_tokens *set, const char *text, size_t length, ps_added_token token,
			ps_diag *diag) PS_MUST_USE;

/* Gets the parts of a text in order: `found` a token's id, `between` the text [start, end) between
 * tokens, never empty. A result other than 0 ends the search, which returns it. */
typedef struct ps_added_sink {
	int (*between)(void *context, size_t start, size_t end);
	int (*found)(void *context, int32_t id);
	void *context;
} ps_added_sink;

/* Cuts a text at its added tokens. */
int ps_added_tokens_cut(const ps_added_tokens *set, const char *text, size_t length,
			const ps_added_sink *sink) PS_MUST_USE;

#endif
