/* io/cache_store.h: activation caches: a folder of shards with `activations` F32 or BF16 [rows, D] and
 * `token_ids`, `positions` (from 0, BOS counted), `window_ids` I32 [rows].
 *
 * Writing: rows arrive in order; a shard is committed when full, so that an interrupted cache continues at the
 * first missing shard (ps_cache_writer_resume_row), to the same bytes. A shard's metadata: kind "activations",
 * provenance, first_row. The ids stand before the activations (wider dtypes first), so a shard's first block
 * is held until it is full.
 * Reading: shards are mapped; a folder of other tools' files with `activations` alone is taken, as unverified. */
#ifndef PS_IO_CACHE_STORE_H
#define PS_IO_CACHE_STORE_H

#include <jansson.h>

#include "core/base/rows.h"
#include "io/artefact.h"
#include "io/safetensors.h"

typedef struct ps_cache_writer ps_cache_writer;

/* Memory that a writer holds at most. */
size_t ps_cache_writer_bytes(ps_dtype dtype, size_t width, size_t shard_rows);

/* rows: of the whole cache; shard_rows: rows per shard. *done when the folder is already complete. */
int ps_cache_writer_create(ps_cache_writer **writer, const ps_sys *sys, const char *path,
			   const json_t *provenance, bool force, ps_dtype dtype, uint64_t rows,
			   size_t width, size_t shard_rows, bool *done, ps_diag *diag) PS_MUST_USE;
/* First row still wanted: a multiple of shard_rows, or rows. Rows before it are skipped by the caller. */
uint64_t ps_cache_writer_resume_row(const ps_cache_writer *writer);
int ps_cache_writer_add(ps_cache_writer *writer, const float *activations, const int32_t *token_ids,
			const int32_t *positions, const int32_t *window_ids, size_t rows,
			ps_diag *diag) PS_MUST_USE;
/* Completes the manifest, once all rows are there. */
int ps_cache_writer_finish(ps_cache_writer *writer, ps_diag *diag) PS_MUST_USE;
void ps_cache_writer_close(
	ps_cache_writer *writer); /* NULL allowed; an unfinished shard is dropped */

typedef struct ps_cache {
	ps_row_source source; /* gather widens bf16 */
	size_t shard_count;
	ps_safetensors *shards;
	const ps_tensor_info **activations; /* of each shard */
	uint64_t *first_row;                /* shard_count + 1 */
	ps_dtype dtype;                     /* PS_F32, PS_BF16, or PS_F16 (other tools') */
	json_t *manifest;                   /* or NULL */
	bool verified;   /* the files are as the manifest says (sizes, kinds, rows; no checksums) */
	uint64_t digest; /* of the manifest, or of the shards' headers and sizes */
} ps_cache;

/* Sizes, shapes, dtypes and consecutive rows are checked; PS_EINPUT for an unfinished cache. */
int ps_cache_open(ps_cache *cache, const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;
/* What an open cache holds: by its shards, not its rows, whose columns are looked up where they are mapped. */
size_t ps_cache_bytes(const ps_cache *cache);
/* source.self is the cache: it must stay where it is. All zero: nothing happens. */
void ps_cache_close(ps_cache *cache);

#endif
