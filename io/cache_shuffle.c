#include "io/cache_shuffle.h"

#include <stdlib.h>

#include "core/base/checked.h"
#include "core/base/rng.h"

#define SHARD_BYTES ((size_t)32 << 20)
#define SHUFFLE_ROWS ((size_t)4096)

size_t ps_cache_shard_rows(size_t width, ps_dtype dtype, size_t window)
{
	size_t rows = SHARD_BYTES / (width * ps_dtype_size(dtype));

	return ps_max_size(rows / window, 1) * window;
}

size_t ps_cache_shuffle_bytes(size_t rows, size_t width)
{
	return ps_min_size(rows, SHUFFLE_ROWS) *
	       (sizeof(uint64_t) + 3 * sizeof(int32_t) + width * sizeof(float));
}

int ps_cache_shuffle(const ps_cache_shuffle_options *o, const ps_context *context)
{
	ps_cache cache;
	ps_cache_writer *writer = NULL;
	bool done = false;
	size_t batch;
	uint64_t *ids = NULL;
	int32_t *columns = NULL;
	float *rows = NULL;
	const ps_context *verify = o->no_verify ? NULL : context;
	int rc = ps_cache_open(&cache, &ps_sys_linux, o->from, verify, context->diag);

	if (rc)
		return rc;
	batch = ps_min_size(SHUFFLE_ROWS, (size_t)cache.source.rows);
	ids = malloc(batch * sizeof *ids);
	columns = malloc(3 * batch * sizeof *columns);
	rows = malloc(batch * cache.source.width * sizeof *rows);
	if (!ids || !columns || !rows)
		rc = ps_fail(context->diag, PS_EBUDGET, "no memory for %zu rows", batch);
	if (!rc)
		rc = ps_cache_writer_create(
			&writer, &ps_sys_linux,
			&(ps_cache_spec){
				.path = o->to,
				.provenance = o->provenance,
				.replace = o->replace,
				.verify = verify,
				.dtype = o->dtype,
				.rows = cache.source.rows,
				.width = cache.source.width,
				.shard_rows = ps_cache_shard_rows(cache.source.width, o->dtype, 1)},
			&done, context->diag);
	for (uint64_t first = rc || done ? cache.source.rows : ps_cache_writer_resume_row(writer);
	     !rc && first < cache.source.rows; first += batch) {
		size_t count = ps_min_size(batch, (size_t)(cache.source.rows - first));

		for (size_t i = 0; i < count; i++)
			ids[i] = ps_permute(first + i, cache.source.rows, o->seed);
		for (size_t c = 0; c < PS_ROW_COLUMNS; c++)
			cache.source.column(cache.source.self, (ps_row_column)c, ids, count,
					    columns + c * batch);
		rc = cache.source.gather(cache.source.self, ids, count, rows, context->diag);
		if (!rc)
			rc = ps_cache_writer_add(writer, rows, columns, columns + batch,
						 columns + 2 * batch, count, context->diag);
		ps_progress_tick(context, "shuffling", "rows", first + count, cache.source.rows);
		if (!rc)
			rc = ps_progress_check(context);
	}
	if (!rc && !done)
		rc = ps_cache_writer_finish(writer, context->diag);
	ps_cache_writer_close(writer);
	ps_cache_close(&cache);
	free(ids);
	free(columns);
	free(rows);
	return rc;
}
