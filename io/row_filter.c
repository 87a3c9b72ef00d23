#include "io/row_filter.h"

#include <stdlib.h>

#define BATCH 1024 /* rows whose tokens are looked up at a time */

static const json_t *special_ids(const ps_cache *cache)
{
	const json_t *provenance = json_object_get(ps_cache_about(cache), "provenance");

	return json_object_get(json_object_get(provenance, "model"), "special_token_ids");
}

static bool contains(const json_t *ids, int32_t id)
{
	size_t i;
	json_t *value;

	json_array_foreach (ids, i, value)
		if (json_integer_value(value) == id)
			return true;
	return false;
}

/* Marks which rows of a batch count. first: its first row. */
static void mark_rows(const ps_cache *cache, const json_t *special, uint64_t first, uint64_t *words)
{
	const size_t count =
		(size_t)(cache->source.rows - first < BATCH ? cache->source.rows - first : BATCH);
	int32_t tokens[BATCH];
	uint64_t ids[BATCH] = {0};

	for (size_t i = 0; i < count; i++)
		ids[i] = first + i;
	cache->source.column(cache->source.self, PS_ROW_TOKEN_ID, ids, count, tokens);
	for (size_t i = 0; i < count; i++)
		if (!contains(special, tokens[i]))
			words[ids[i] / 64] |= (uint64_t)1 << ids[i] % 64;
}

int ps_rows_that_count(const ps_cache *cache, bool keep_special, ps_row_list *list, ps_diag *diag)
{
	const json_t *special = special_ids(cache);
	uint64_t *words;

	*list = (ps_row_list){.count = cache->source.rows};
	if (keep_special || !special || !ps_row_source_has(&cache->source, PS_ROW_TOKEN_ID))
		return 0;
	words = calloc(ps_row_list_words(cache->source.rows), sizeof *words);
	if (!words)
		return ps_fail(diag, PS_EBUDGET, "no memory to mark which of %llu rows count",
			       (unsigned long long)cache->source.rows);
	for (uint64_t first = 0; first < cache->source.rows; first += BATCH)
		mark_rows(cache, special, first, words);
	*list = ps_row_list_make(words, cache->source.rows);
	if (list->count)
		return 0;
	ps_rows_release(list);
	return ps_fail(diag, PS_EINPUT, "the cache has no rows besides BOS, EOS and PAD");
}

void ps_rows_release(ps_row_list *list)
{
	free((void *)list->bits);
	*list = (ps_row_list){0};
}

size_t ps_rows_held_bytes(const ps_row_list *list)
{
	return list->bits ? ps_row_list_words(list->blocks * PS_ROW_BLOCK) * sizeof *list->bits : 0;
}
