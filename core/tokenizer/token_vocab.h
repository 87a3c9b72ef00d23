/* core/tokenizer/token_vocab.h: token strings and their ids, and the id that each pair of ids
 * merges into.
 *
 * The strings lie end to end in one blob. An open-addressing table of (hash, entry) finds them.
 * Merges lie in an open-addressing table of (left, right) -> (rank, merged). Both tables grow while
 * the file is read. */
#ifndef PS_CORE_TOKENIZER_TOKEN_VOCAB_H
#define PS_CORE_TOKENIZER_TOKEN_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/array.h"
#include "core/base/error.h"

#define PS_TOKEN_ID_LIMIT (1 << 24) /* ids are below it */

typedef struct ps_vocab_entry {
	uint32_t start; /* in blob; the string ends where the next one starts */
	int32_t id;
} ps_vocab_entry;

/* All zeros: empty. */
typedef struct ps_vocab {
	ps_buffer blob;
	ps_vocab_entry *entry; /* (count + 1): the last one only says where the last string ends */
	size_t count, capacity;
	uint64_t *slot; /* the upper half of the string's hash, then entry + 1; 0 if free */
	size_t slot_count;
	size_t longest_bytes; /* of the longest string */
	int32_t top;          /* one more than the largest id */
} ps_vocab;

/* Adds a string. PS_EINPUT if it is there already, or if id is outside [0, PS_TOKEN_ID_LIMIT). */
int ps_vocab_add(ps_vocab *vocab, const char *text, size_t length, int64_t id,
		 ps_diag *diag) PS_MUST_USE;

/* The id of a string, or -1. */
int32_t ps_vocab_find(const ps_vocab *vocab, const char *text, size_t length);

/* String number i of vocab->count: *length bytes, and its id. */
const char *ps_vocab_token(const ps_vocab *vocab, size_t i, size_t *length, int32_t *id);

/* PS_EINPUT if two strings share an id; the message names it. */
int ps_vocab_check(const ps_vocab *vocab, ps_diag *diag) PS_MUST_USE;

/* Bytes that it holds. */
size_t ps_vocab_bytes(const ps_vocab *vocab);

/* Frees the memory and empties it. */
void ps_vocab_free(ps_vocab *vocab);

/* left and right merge into merged. */
typedef struct ps_merge {
	int32_t left, right; /* left < 0: a free slot */
	uint32_t rank;       /* place in the file's list; the lowest rank merges first */
	int32_t merged;
} ps_merge;

typedef struct ps_merge_table {
	ps_merge *slot;
	size_t slot_count, count;
} ps_merge_table;

/* Adds a merge. A later one of the same pair replaces the earlier one. */
int ps_merge_table_add(ps_merge_table *table, ps_merge merge, ps_diag *diag) PS_MUST_USE;

/* Frees the memory and empties the table. */
void ps_merge_table_free(ps_merge_table *table);

/* The slot where the search for a pair begins. */
static inline size_t ps_merge_slot(const ps_merge_table *table, int32_t left, int32_t right)
{
	uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

	key *= 0x9E3779B97F4A7C15u;
	return (size_t)(key ^ key >> 32) & (table->slot_count - 1);
}

/* The merge of a pair; NULL if there is none. The table is not empty. */
static inline const ps_merge *ps_merge_find(const ps_merge_table *table, int32_t left,
					    int32_t right)
{
	size_t at = ps_merge_slot(table, left, right);

	while (table->slot[at].left >= 0) {
		if (table->slot[at].left == left && table->slot[at].right == right)
			return &table->slot[at];
		at = (at + 1) & (table->slot_count - 1);
	}
	return NULL;
}

#endif
