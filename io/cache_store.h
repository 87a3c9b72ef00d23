/* io/cache_store.h: activation caches.
 *
 * A cache is a folder of shards. A shard holds `activations` F32 or BF16 [rows, D], and
 * `token_ids`, `positions` (from 0, BOS counted) and `window_ids` I32 [rows]. Its metadata has kind
 * "activations", the provenance and first_row.
 *
 * Writing (io/cache_writer.c): rows arrive in order. A shard is committed when it is full, so an
 * interrupted cache continues at the first missing shard (ps_cache_writer_resume_row), to the same
 * bytes. The three columns stand before the activations, because a file's wider dtypes come first.
 * So the writer holds the first blocks of a shard in memory until the shard is full. Reading
 * (io/cache_store.c): shards are mapped. Before their first use they are compared with the digests
 * in the manifest, and the shards' own metadata with the manifest's provenance: so name, layer,
 * model and mask are bound to the bytes. A folder of other tools' files that holds `activations`
 * alone is taken too, as unverified, and so is one file: a .safetensors with that tensor, or with
 * one alone, or a .npy (io/npy_file.h). */
#ifndef PS_IO_CACHE_STORE_H
#define PS_IO_CACHE_STORE_H

#include "core/base/json.h"
#include "core/base/progress.h"
#include "core/base/rows.h"
#include "io/artefact.h"
#include "io/safetensors.h"

/* The name of a column's tensor in a shard. */
const char *ps_cache_column_name(ps_row_column column);

typedef struct ps_cache_writer ps_cache_writer;

/* What a new cache is to hold. create copies what it needs. */
typedef struct ps_cache_spec {
	const char *path;
	const json_t *provenance;
	bool replace;             /* a cache of another provenance at path gives way */
	bool old_first;           /* with replace: it goes at once (io/folder.h) */
	const ps_context *verify; /* as in ps_folder_spec */
	ps_dtype dtype;           /* PS_F32 or PS_BF16 */
	uint64_t rows;            /* of the whole cache */
	size_t width;             /* D */
	size_t shard_rows;
	bool rows_alone; /* tokens, positions and windows are not known: no columns */
} ps_cache_spec;

/* The most memory that a writer holds, in bytes. */
size_t ps_cache_writer_bytes(ps_dtype dtype, size_t width, size_t shard_rows);

/* Begins or continues the cache. *done: it is complete already. The caller closes *writer in any
 * case that returns 0. Errors: as ps_folder_begin, and PS_EFAILED for sizes that overflow. */
int ps_cache_writer_create(ps_cache_writer **writer, const ps_sys *sys, const ps_cache_spec *spec,
			   bool *done, ps_diag *diag) PS_MUST_USE;
/* The first row that the writer still needs: a multiple of shard_rows, or the number of rows. The
 * caller skips the rows before it. */
uint64_t ps_cache_writer_resume_row(const ps_cache_writer *writer);
/* The first shard that was there with other bytes than the manifest says, and is made anew. NULL:
 * none. */
const char *ps_cache_writer_dropped(const ps_cache_writer *writer);
/* Adds the next rows: activations (rows, D) and the three columns (rows), NULL with rows_alone. */
int ps_cache_writer_add(ps_cache_writer *writer, const float *activations, const int32_t *token_ids,
			const int32_t *positions, const int32_t *window_ids, size_t rows,
			ps_diag *diag) PS_MUST_USE;
/* Completes the manifest. PS_EFAILED unless all rows have come. */
int ps_cache_writer_finish(ps_cache_writer *writer, ps_diag *diag) PS_MUST_USE;
/* Frees the writer and drops an unfinished shard. NULL is allowed. */
void ps_cache_writer_close(ps_cache_writer *writer);

typedef struct ps_cache {
	ps_row_source source; /* gather widens to f32, and refuses rows that are not finite */
	size_t shard_count;
	ps_safetensors *shards;             /* (shard_count) */
	const ps_tensor_info **activations; /* (shard_count): the tensor of each shard */
	uint64_t *first_row;                /* (shard_count + 1) */
	ps_dtype dtype;                     /* PS_F32, PS_BF16, or PS_F16 (other tools' files) */
	json_t *manifest;                   /* NULL: another tool's folder, or lost */
	bool verified; /* a manifest of ours stands for the shards; false: another tool's folder */
	/* Of the manifest without its checksum. Of another tool's folder: of all bytes of the
	 * shards, which are read once for each state of their files. */
	uint64_t digest;
} ps_cache;

/* Maps the shards. Checks sizes, shapes, dtypes, provenance, and that the rows follow each other.
 * PS_EINPUT also for an unfinished cache. source.self points to *cache, which must stay in its
 * place.
 *
 * verify: compares each shard with its digest in the manifest. Shards whose files are in the state
 * of their last reading are not read again (io/known_digest.h); the others are, with progress.
 * Shards of ours that have lost their manifest are compared with their own checksums, and must have
 * one provenance. PS_EINPUT
 * names the shard that differs, and the block and offset if the shard's checksums tell. NULL: what
 * the shards hold is taken as it is. */
int ps_cache_open(ps_cache *cache, const ps_sys *sys, const char *path, const ps_context *verify,
		  ps_diag *diag) PS_MUST_USE;
/* PS_EINPUT naming file, row, column and offset unless all numbers of a row, widened to values (D),
 * are finite. */
int ps_cache_check_row(const ps_cache *cache, uint64_t row, const float *values,
		       ps_diag *diag) PS_MUST_USE;
/* The memory that an open cache holds, in bytes. It grows with the shards, not with the rows: rows
 * and columns are read where they are mapped. */
size_t ps_cache_bytes(const ps_cache *cache);
/* What holds the cache's `provenance`: the manifest, or the first shard's metadata where the
 * manifest is lost. NULL: another tool's folder. Borrowed until the cache is closed. */
const json_t *ps_cache_about(const ps_cache *cache);
/* Unmaps the shards. A zeroed cache is allowed. */
void ps_cache_close(ps_cache *cache);

#endif
