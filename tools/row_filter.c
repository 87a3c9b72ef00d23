#include "tools/row_filter.h"

#include <stdlib.h>

static const json_t *special_ids(const ps_cache *cache)
{
	const json_t *provenance = json_object_get(cache->manifest, "provenance");

	return json_object_get(json_object_get(provenance, "model"), "special_token_ids");
}

static bool contains(const json_t *ids, int32_t id)
{
	size_t i;
	json_t *value;

	json_array_foreach(ids, i, value)
		if (json_integer_value(value) == id)
			return true;
	return false;
}

int ps_rows_that_count(const ps_cache *cache, bool keep_special, ps_row_list *list, ps_diag *diag)
{
	const json_t *special = special_ids(cache);
	uint64_t *ids = malloc((size_t)cache->source.rows * sizeof *ids + 1), count = 0;

	if (!ids)
		return ps_fail(diag, PS_EBUDGET, "no memory for %llu row numbers", (unsigned long long)cache->source.rows);
	for (uint64_t r = 0; r < cache->source.rows; r++)
		if (keep_special || !special || !cache->source.token_ids || !contains(special, cache->source.token_ids[r]))
			ids[count++] = r;
	*list = (ps_row_list){ids, count};
	if (count)
		return 0;
	free(ids);
	*list = (ps_row_list){0};
	return ps_fail(diag, PS_EINPUT, "the cache has no rows besides BOS, EOS and PAD");
}
