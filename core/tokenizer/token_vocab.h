/* core/tokenizer/token_vocab.h: token strings and their ids, and which id each pair of ids merges into.
 *
 * Strings lie end to end in one blob, found through an open-addressing table of (hash, entry); merges lie in an
 * open-addressing table of (left, right) -> (rank, merged). Both grow while the file is read. */
#ifndef PS_CORE_TOKENIZER_TOKEN_VOCAB_H
#define PS_CORE_TOKENIZER_TOKEN_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/array.h"
#include "core/base/error.h"

#define PS_TOKEN_ID_LIMIT (1 << 24) /* ids lie below */

typedef struct ps_vocab_entry {
	uint32_t start; /* in blob; the string ends where the next one starts */
	int32_t id;
} ps_vocab_entry;

typedef struct ps_vocab {
	ps_buffer blob;
	ps_vocab_entry
		*entry; /* count of them, and one that only says where the last string ends */
	size_t count, capacity;
	uint64_t *slot; /* upper half: of the string's hash; lower half: entry + 1, 0 when free */
	size_t slot_count;
	size_t longest_bytes; /* of all strings */
	int32_t top;          /* one more than the largest id */
} ps_vocab;

/* PS_EINPUT: the string is there already, the id is negative or PS_TOKEN_ID_LIMIT or more. */
int ps_vocab_add(ps_vocab *vocab, const char *text, size_t length, int64_t id,
		 ps_diag *diag) PS_MUST_USE;

/* The string's id, or -1. */
int32_t ps_vocab_find(const ps_vocab *vocab, const char *text, size_t length);

/* PS_EINPUT when two strings share an id, naming it. */
int ps_vocab_check(const ps_vocab *vocab, ps_diag *diag) PS_MUST_USE;

size_t ps_vocab_bytes(const ps_vocab *vocab);
void ps_vocab_free(ps_vocab *vocab);

typedef struct ps_merge {
	int32_t left, right; /* left < 0: a free slot */
	uint32_t rank;       /* position in the file's list: lower merges first */
	int32_t merged;
} ps_merge;

typedef struct ps_merge_table {
	ps_merge *slot;
	size_t slot_count, count;
} ps_merge_table;

/* The pair's later occurrence replaces the earlier one. */
int ps_merge_table_add(ps_merge_table *table, ps_merge merge, ps_diag *diag) PS_MUST_USE;
void ps_merge_table_free(ps_merge_table *table);

static inline size_t ps_merge_slot(const ps_merge_table *table, int32_t left, int32_t right)
{
	uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;

	key *= 0x9E3779B97F4A7C15u;
	return (size_t)(key ^ key >> 32) & (table->slot_count - 1);
}

/* NULL: the two do not merge. The table holds one merge at least. */
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
