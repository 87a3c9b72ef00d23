/* core/tokenizer/token_lists.h: a tokenizer that is given as lists of tokens, scores, kinds and
 * merges, as the metadata of GGUF files give it.
 *
 * It becomes what transformers makes of the same lists, and so an ordinary tokenizer.json:
 * - BYTE_LEVEL: BPE over ByteLevel's letters. The merges are listed. The name of the pre-tokenizer
 *   stands for its pattern: gpt-2, smollm, qwen2 and deepseek-r1-qwen, llama-bpe, llama3 and
 *   llama-v3. The last three take a word that is a token as it is (ignore_merges).
 * - SENTENCEPIECE: BPE with byte_fallback over characters, with U+2581 for each space. Every way to
 *   cut a token into two others is a merge. Merges are ranked by their token's score, the highest
 *   first, or by its place in the list (Gemma, whose scores do not follow its merges); then by the
 *   longer left side. A prefix is put before each piece of text, unless space_prefix is false.
 *   So do Llama 2's tokenizer.json and llama.cpp. transformers 5.24 reads these lists otherwise:
 *   whatever space_prefix is, it prefixes the start of the text alone, unless a space is there.
 * The unknown token, control and user-defined tokens are matched in the text, without normalizing
 * it. Of Gemma's, those that are spaces alone are ordinary tokens. So a run of more than two spaces
 * may be cut otherwise than by Gemma's published tokenizer.json, which takes the longest token
 * first; such a file beside the model is used in place of the lists.
 *
 * Source: transformers 5.24, integrations/gguf/gguf_tokenizer_mapping.py and generate_merges;
 * ignore_merges and smollm: llama.cpp. */
#ifndef PS_CORE_TOKENIZER_TOKEN_LISTS_H
#define PS_CORE_TOKENIZER_TOKEN_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/tokenizer/tokenizer.h"
#include "core/tokenizer/tokenizer_json.h"

/* The kinds of tokens that matter, by their number in GGUF. */
enum { PS_TOKEN_NORMAL = 1, PS_TOKEN_UNKNOWN = 2, PS_TOKEN_CONTROL = 3, PS_TOKEN_USER = 4 };

typedef struct ps_token_lists {
	enum { PS_LISTS_BYTE_LEVEL, PS_LISTS_SENTENCEPIECE } model;
	const char *pre; /* BYTE_LEVEL: the pre-tokenizer (pre_length bytes) */
	size_t pre_length;
	bool gemma;        /* SENTENCEPIECE: of the family Gemma */
	bool space_prefix; /* SENTENCEPIECE */
	int64_t unknown;   /* SENTENCEPIECE: id of the unknown token; -1: none */
	size_t count, merges;
	/* The next token in the order of ids, the next merge "left right" in the order of ranks: a
	 * text that is borrowed until the next call. False: it cannot be read. */
	bool (*next_token)(void *context, const char **text, size_t *length);
	bool (*next_merge)(void *context, const char **text, size_t *length);
	int64_t (*kind_of)(void *context, size_t id); /* PS_TOKEN_NORMAL, ... */
	float (*score_of)(void *context, size_t id);  /* SENTENCEPIECE without gemma */
	void *context;
} ps_token_lists;

/* Fills parts, which is zeroed but for bpe, as ps_tokenizer_json_read does. PS_EINPUT naming
 * what is not supported, or the number of the token or merge that is invalid. */
int ps_token_lists_read(ps_tokenizer_parts *parts, const ps_token_lists *lists,
			ps_diag *diag) PS_MUST_USE;

#endif
