/* core/tokenizer/tokenizer_json.h: reads a tokenizer.json by events.
 *
 * Vocabulary and merges go straight into a ps_bpe. Small values (normalizer, pre-tokenizer, the
 * model's options) are kept as JSON. Added tokens are listed. Everything else is skipped. */
#ifndef PS_CORE_TOKENIZER_TOKENIZER_JSON_H
#define PS_CORE_TOKENIZER_TOKENIZER_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/array.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "core/tokenizer/bpe.h"

/* An added token, as the file lists it. */
typedef struct ps_listed_token {
	size_t start, length; /* of its text, in ps_tokenizer_parts.content */
	bool single_word, lstrip, rstrip, normalized;
} ps_listed_token;

/* What the file holds. */
typedef struct ps_tokenizer_parts {
	ps_bpe *bpe;                        /* filled, not sealed */
	json_t *normalizer, *pre_tokenizer; /* NULL if absent */
	json_t *options;        /* the model's keys other than vocab and merges, an object */
	ps_listed_token *added; /* in the file's order */
	size_t added_count, added_capacity;
	ps_buffer content;
} ps_tokenizer_parts;

/* Reads the file into parts, which is zeroed but for bpe. PS_EINPUT if it is not a BPE
 * tokenizer.json. */
int ps_tokenizer_json_read(ps_tokenizer_parts *parts, const char *json, size_t length,
			   ps_diag *diag) PS_MUST_USE;

/* Frees everything but bpe. */
void ps_tokenizer_parts_free(ps_tokenizer_parts *parts);

#endif
