#include "core/tokenizer/token_vocab.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 1024

static size_t entry_length(const ps_vocab *vocab, size_t entry)
{
	return vocab->entry[entry + 1].start - vocab->entry[entry].start;
}

/* The slot of a string, or the free slot where it belongs. */
static size_t find_slot(const ps_vocab *vocab, const char *text, size_t length, uint64_t hash)
{
	size_t mask = vocab->slot_count - 1, at = (size_t)hash & mask;

	for (; vocab->slot[at]; at = (at + 1) & mask) {
		size_t entry = (uint32_t)vocab->slot[at] - 1;

		if (vocab->slot[at] >> 32 == hash >> 32 && entry_length(vocab, entry) == length &&
		    !memcmp(vocab->blob.data + vocab->entry[entry].start, text, length))
			break;
	}
	return at;
}

/* Doubles the table. It keeps only half of each hash, so the strings are hashed again. */
static int double_slots(ps_vocab *vocab, ps_diag *diag)
{
	size_t slot_count = vocab->slot_count ? vocab->slot_count * 2 : FIRST_SLOTS;
	uint64_t *slot = calloc(slot_count, sizeof *slot);

	if (!slot)
		return ps_fail(diag, PS_EBUDGET, "no memory for a table of %zu tokens", slot_count);
	for (size_t i = 0; i < vocab->count; i++) {
		uint64_t hash = XXH3_64bits(vocab->blob.data + vocab->entry[i].start,
					    entry_length(vocab, i));
		size_t at = (size_t)hash & (slot_count - 1);

		while (slot[at])
			at = (at + 1) & (slot_count - 1);
		slot[at] = hash >> 32 << 32 | (uint32_t)(i + 1);
	}
	free(vocab->slot);
	vocab->slot = slot;
	vocab->slot_count = slot_count;
	return 0;
}

static int make_room(ps_vocab *vocab, size_t length, ps_diag *diag)
{
	ps_vocab_entry *entry = ps_array_grow(vocab->entry, &vocab->capacity, vocab->count + 2,
					      sizeof *entry, diag);

	if (!entry)
		return PS_EBUDGET;
	vocab->entry = entry;
	if (length >= UINT32_MAX - vocab->blob.used || vocab->count >= PS_TOKEN_ID_LIMIT)
		return ps_fail(diag, PS_EINPUT, "the vocabulary is too large");
	if (vocab->count + 1 > vocab->slot_count / 8 * 5)
		return double_slots(vocab, diag);
	return 0;
}

int ps_vocab_add(ps_vocab *vocab, const char *text, size_t length, int64_t id, ps_diag *diag)
{
	uint64_t hash = XXH3_64bits(text, length);
	int shown = length < 60 ? (int)length : 60;
	size_t at;
	int rc;

	if (id < 0 || id >= PS_TOKEN_ID_LIMIT)
		return ps_fail(diag, PS_EINPUT,
			       "the id %" PRId64 " of token \"%.*s\" is out of range", id, shown,
			       text);
	rc = make_room(vocab, length, diag);
	if (rc)
		return rc;
	at = find_slot(vocab, text, length, hash);
	if (vocab->slot[at])
		return ps_fail(diag, PS_EINPUT, "token \"%.*s\" is in the vocabulary twice", shown,
			       text);
	vocab->entry[vocab->count] =
		(ps_vocab_entry){.start = (uint32_t)vocab->blob.used, .id = (int32_t)id};
	rc = ps_buffer_append(&vocab->blob, text, length, diag);
	if (rc)
		return rc;
	vocab->slot[at] = hash >> 32 << 32 | (uint32_t)(vocab->count + 1);
	vocab->entry[++vocab->count].start = (uint32_t)vocab->blob.used;
	if (length > vocab->longest_bytes)
		vocab->longest_bytes = length;
	if (id >= vocab->top)
		vocab->top = (int32_t)id + 1;
	return 0;
}

int32_t ps_vocab_find(const ps_vocab *vocab, const char *text, size_t length)
{
	uint64_t found;

	if (!vocab->slot_count || length > vocab->longest_bytes)
		return -1;
	found = vocab->slot[find_slot(vocab, text, length, XXH3_64bits(text, length))];
	return found ? vocab->entry[(uint32_t)found - 1].id : -1;
}

const char *ps_vocab_token(const ps_vocab *vocab, size_t i, size_t *length, int32_t *id)
{
	*length = entry_length(vocab, i);
	*id = vocab->entry[i].id;
	return vocab->blob.data + vocab->entry[i].start;
}

int ps_vocab_check(const ps_vocab *vocab, ps_diag *diag)
{
	uint8_t *seen = calloc((size_t)vocab->top / 8 + 1, 1);
	int rc = 0;

	if (!seen)
		return ps_fail(diag, PS_EBUDGET, "no memory to check %zu ids", vocab->count);
	for (size_t i = 0; i < vocab->count && !rc; i++) {
		int32_t id = vocab->entry[i].id;

		if (seen[id / 8] & 1 << id % 8)
			rc = ps_fail(diag, PS_EINPUT,
				     "two tokens of the vocabulary have the id %" PRId32, id);
		seen[id / 8] |= (uint8_t)(1 << id % 8);
	}
	free(seen);
	return rc;
}

size_t ps_vocab_bytes(const ps_vocab *vocab)
{
	return vocab->blob.capacity + vocab->capacity * sizeof *vocab->entry +
	       vocab->slot_count * sizeof *vocab->slot;
}

void ps_vocab_free(ps_vocab *vocab)
{
	ps_buffer_free(&vocab->blob);
	free(vocab->entry);
	free(vocab->slot);
	*vocab = (ps_vocab){0};
}

/* Puts a merge into its slot, over an earlier one of the same pair. True if the pair is new. */
static bool put_merge(ps_merge_table *table, ps_merge merge)
{
	size_t at = ps_merge_slot(table, merge.left, merge.right);
	bool fresh;

	while (table->slot[at].left >= 0 &&
	       (table->slot[at].left != merge.left || table->slot[at].right != merge.right))
		at = (at + 1) & (table->slot_count - 1);
	fresh = table->slot[at].left < 0;
	table->slot[at] = merge;
	return fresh;
}

static int double_merges(ps_merge_table *table, ps_diag *diag)
{
	ps_merge_table grown = {.slot_count =
					table->slot_count ? table->slot_count * 2 : FIRST_SLOTS,
				.count = table->count};

	grown.slot = malloc(grown.slot_count * sizeof *grown.slot);
	if (!grown.slot)
		return ps_fail(diag, PS_EBUDGET, "no memory for a table of %zu merges",
			       grown.slot_count);
	memset(grown.slot, 0xFF, grown.slot_count * sizeof *grown.slot);
	for (size_t i = 0; i < table->slot_count; i++)
		if (table->slot[i].left >= 0)
			(void)put_merge(&grown, table->slot[i]);
	free(table->slot);
	*table = grown;
	return 0;
}

int ps_merge_table_add(ps_merge_table *table, ps_merge merge, ps_diag *diag)
{
	if (table->count + 1 > table->slot_count / 8 * 5) {
		int rc = double_merges(table, diag);

		if (rc)
			return rc;
	}
	table->count += put_merge(table, merge);
	return 0;
}

void ps_merge_table_free(ps_merge_table *table)
{
	free(table->slot);
	*table = (ps_merge_table){0};
}
