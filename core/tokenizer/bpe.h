/* core/tokenizer/bpe.h: byte-pair encoding of one word, as the BPE model of the tokenizers library (0.23) does it.
 *
 * A word's characters become symbols (their own token; else, with byte_fallback, the tokens <0x00>..<0xFF> of
 * its bytes; else the unknown token; else nothing). Then the neighbouring pair of lowest rank, the leftmost of
 * equals, is merged until none can be: O(n log n) by a heap of pairs over doubly linked symbols.
 *
 * A word may be a whole document (Gemma). It is cut where no merge can ever join the two characters (no merge
 * has a left side ending in the one and a right side beginning with the other); the parts cannot influence
 * each other, so the ids are the same, and short parts come from a cache of fixed size. */
#ifndef PS_CORE_TOKENIZER_BPE_H
#define PS_CORE_TOKENIZER_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/tokenizer/tokenizer.h"

typedef struct ps_bpe ps_bpe;

typedef struct ps_bpe_options {
	bool byte_fallback;
	bool fuse_unknown;  /* neighbouring unknown characters give one unknown token */
	bool ignore_merges; /* a word that is a token is that token, whatever the merges say */
	bool has_unknown;
	const char *unknown; /* the unknown token, unknown_length bytes; looked up by ps_bpe_seal */
	size_t unknown_length;
} ps_bpe_options;

int ps_bpe_create(ps_bpe **bpe, ps_diag *diag) PS_MUST_USE;
void ps_bpe_destroy(ps_bpe *bpe);

/* First all tokens, then all merges in the file's order, then seal, then encode. */
int ps_bpe_add_token(ps_bpe *bpe, const char *text, size_t length, int64_t id,
		     ps_diag *diag) PS_MUST_USE;
int ps_bpe_add_merge(ps_bpe *bpe, const char *left, size_t left_length, const char *right,
		     size_t right_length, ps_diag *diag) PS_MUST_USE;
int ps_bpe_seal(ps_bpe *bpe, const ps_bpe_options *options, ps_diag *diag) PS_MUST_USE;

/* The token's id, or -1. */
int32_t ps_bpe_find(const ps_bpe *bpe, const char *text, size_t length);

size_t ps_bpe_token_count(const ps_bpe *bpe);
int32_t ps_bpe_top(const ps_bpe *bpe); /* one more than the largest id */
size_t ps_bpe_bytes(const ps_bpe *bpe);

/* The word's ids to sink, whose non-zero return is returned at once. The word is valid UTF-8. */
int ps_bpe_encode(ps_bpe *bpe, const char *word, size_t length, ps_token_sink sink, void *context,
		  ps_diag *diag) PS_MUST_USE;

#endif
