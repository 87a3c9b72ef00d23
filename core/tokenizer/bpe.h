/* core/tokenizer/bpe.h: byte-pair encoding of one word, as the BPE model of the tokenizers library
 * (0.23) does it.
 *
 * First the characters of a word become symbols. A character is:
 *   1. its own token, if it has one;
 *   2. else, with byte_fallback, the tokens <0x00> to <0xFF> of its bytes;
 *   3. else the unknown token;
 *   4. else nothing.
 * Then the neighbouring pair of the lowest rank is merged, the leftmost of equals, until no pair
 * merges. A heap of pairs over doubly linked symbols makes this O(n log n).
 *
 * A word may be a whole document (Gemma). So it is cut between characters that no merge can ever
 * join: no merge has a left side that ends in the one and a right side that begins with the other.
 * The parts cannot influence each other, so the ids are the same. Short parts come from a cache of
 * fixed size. */
#ifndef PS_CORE_TOKENIZER_BPE_H
#define PS_CORE_TOKENIZER_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/array.h"
#include "core/base/error.h"
#include "core/tokenizer/tokenizer.h"

typedef struct ps_bpe ps_bpe;

typedef struct ps_bpe_options {
	bool byte_fallback;
	bool fuse_unknown;  /* neighbouring unknown characters give one unknown token */
	bool ignore_merges; /* a word that is a token becomes that token without merges */
	bool has_unknown;
	const char
		*unknown; /* the unknown token (unknown_length bytes), which ps_bpe_seal looks up */
	size_t unknown_length;
} ps_bpe_options;

/* An empty model. PS_EBUDGET if there is no memory. */
int ps_bpe_create(ps_bpe **bpe, ps_diag *diag) PS_MUST_USE;

/* Frees it; NULL is allowed. */
void ps_bpe_destroy(ps_bpe *bpe);

/* Adds a token. The order of calls is: all tokens, all merges, ps_bpe_seal, ps_bpe_encode.
 * PS_EINPUT as ps_vocab_add. */
int ps_bpe_add_token(ps_bpe *bpe, const char *text, size_t length, int64_t id,
		     ps_diag *diag) PS_MUST_USE;

/* Adds a merge, in the file's order. PS_EINPUT if a side, or what they merge into, is not a
 * token. */
int ps_bpe_add_merge(ps_bpe *bpe, const char *left, size_t left_length, const char *right,
		     size_t right_length, ps_diag *diag) PS_MUST_USE;

/* Ends the loading. PS_EINPUT if two tokens share an id. */
int ps_bpe_seal(ps_bpe *bpe, const ps_bpe_options *options, ps_diag *diag) PS_MUST_USE;

/* The id of a token, or -1. */
int32_t ps_bpe_find(const ps_bpe *bpe, const char *text, size_t length);

/* Token number i of ps_bpe_token_count, in the order in which they were added: its string (*length
 * bytes, borrowed) and its id. */
const char *ps_bpe_token(const ps_bpe *bpe, size_t i, size_t *length, int32_t *id);

/* How many tokens there are. */
size_t ps_bpe_token_count(const ps_bpe *bpe);

/* Whether tokens <0x00> to <0xFF> stand for bytes. */
bool ps_bpe_falls_back(const ps_bpe *bpe);

/* One more than the largest id. */
int32_t ps_bpe_top(const ps_bpe *bpe);

/* Bytes that it holds. */
size_t ps_bpe_bytes(const ps_bpe *bpe);

/* What grows with the longest word grows in this room from now on. */
void ps_bpe_share(ps_bpe *bpe, ps_room *room);
/* The most bytes that a word of so many bytes takes of the room. */
double ps_bpe_room(double length);

/* The longest part of a text that is encoded at once, wherever it may be cut into words besides.
 * Zeroed, then fed with the characters in their order. */
typedef struct ps_bpe_scan {
	uint32_t left; /* the last character */
	bool left_known;
	size_t part, longest; /* bytes of the part that it belongs to, and of the longest one */
} ps_bpe_scan;

void ps_bpe_scan_character(const ps_bpe *bpe, ps_bpe_scan *scan, const char *character,
			   size_t length);

/* Encodes a word of valid UTF-8 and hands its ids to sink. */
int ps_bpe_encode(ps_bpe *bpe, const char *word, size_t length, ps_token_sink sink, void *context,
		  ps_diag *diag) PS_MUST_USE;

#endif
