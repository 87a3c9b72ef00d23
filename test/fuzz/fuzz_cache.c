/* test/fuzz/fuzz_cache.c: takes any bytes for the only shard of an activation cache without a
 * manifest, as other tools write it. */
#include <stdlib.h>

#include "io/cache_store.h"
#include "test/fuzz/support_fuzz.h"

static void read_rows(const ps_cache *cache)
{
	const ps_row_source *source = &cache->source;
	float *row = malloc(source->width * sizeof *row);
	ps_diag diag = {0};
	int32_t value;

	if (!row)
		return;
	for (uint64_t r = 0; r < source->rows && r < 64; r++) {
		support_fuzz_check(source->gather(source->self, &r, 1, row, &diag), &diag);
		for (int c = 0; c < (int)PS_ROW_COLUMNS; c++)
			if (ps_row_source_has(source, (ps_row_column)c))
				source->column(source->self, (ps_row_column)c, &r, 1, &value);
	}
	free(row);
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t length, size_t max, unsigned seed)
{
	return support_mutate_safetensors(bytes, length, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	ps_cache cache;
	ps_diag diag = {0};
	int rc;

	support_fuzz_file("shard-00000.safetensors", bytes, length);
	rc = ps_cache_open(&cache, &ps_sys_linux, support_fuzz_folder(), NULL, &diag);
	support_fuzz_check(rc, &diag);
	if (rc)
		return 0;
	read_rows(&cache);
	ps_cache_close(&cache);
	return 0;
}
