/* core/tokenizer/tokenizer_json.h: reads a tokenizer.json by events.
 *
 * Vocabulary and merges go straight into a ps_bpe; what is small (normalizer, pre-tokenizer, the model's options)
 * is kept as values; added tokens are handed over one by one; everything else is passed over. */
#ifndef PS_CORE_TOKENIZER_TOKENIZER_JSON_H
#define PS_CORE_TOKENIZER_TOKENIZER_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/array.h"
#include "core/base/error.h"
#include "core/tokenizer/bpe.h"

typedef struct ps_listed_token {
	size_t start, length; /* in content */
	bool single_word, lstrip, rstrip, normalized;
} ps_listed_token;

typedef struct ps_tokenizer_parts {
	ps_bpe *bpe; /* filled, not sealed */
	json_t *normalizer, *pre_tokenizer,
		*options;       /* options: the model's other keys, an object */
	ps_listed_token *added; /* in the file's order */
	size_t added_count, added_capacity;
	ps_buffer content;
} ps_tokenizer_parts;

/* parts: zeroed but for bpe. PS_EINPUT for what is not a BPE tokenizer.json. */
int ps_tokenizer_json_read(ps_tokenizer_parts *parts, const char *json, size_t length,
			   ps_diag *diag) PS_MUST_USE;

/* Frees all but bpe. */
void ps_tokenizer_parts_free(ps_tokenizer_parts *parts);

#endif
