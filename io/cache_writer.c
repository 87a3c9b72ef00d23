/* A shard: | token_ids | positions | window_ids | activations |, rows of each. The columns are deferred: they
 * are collected row by row and written with the first block. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "io/cache_store.h"

#define COLUMNS 3
#define SHARDS_MAX 100000            /* whose names sort as their numbers do */
#define NARROW_VALUES ((size_t)4096) /* rounded to bf16 at a time */

static const char *const column_names[COLUMNS] = {"token_ids", "positions", "window_ids"};

struct ps_cache_writer {
	const ps_sys *sys;
	char *path;
	ps_folder *folder;
	json_t *provenance;
	ps_dtype dtype;
	uint64_t rows, next_row; /* of the cache; the next row to arrive */
	size_t width, shard_rows;
	uint64_t resume_row;
	ps_artefact *shard; /* the one that next_row lies in, or NULL */
};

static size_t column_bytes(size_t rows)
{
	return rows * sizeof(int32_t);
}

size_t ps_cache_writer_bytes(ps_dtype dtype, size_t width, size_t shard_rows)
{
	size_t shard = shard_rows * (COLUMNS * sizeof(int32_t) + width * ps_dtype_size(dtype));
	size_t head = ps_round_up(COLUMNS * column_bytes(shard_rows), PS_BLOCK_BYTES);

	return ps_min_size(head, shard) + ps_min_size(PS_BLOCK_BYTES, shard);
}

static size_t shard_of(const ps_cache_writer *writer, uint64_t row)
{
	return (size_t)(row / writer->shard_rows);
}

static size_t rows_of_shard(const ps_cache_writer *writer, size_t shard)
{
	return (size_t)ps_min_size(writer->shard_rows,
				   (size_t)(writer->rows - (uint64_t)shard * writer->shard_rows));
}

static void shard_path(const ps_cache_writer *writer, size_t shard, char *name, char *path)
{
	snprintf(name, NAME_MAX, "shard-%05zu.safetensors", shard);
	snprintf(path, PATH_MAX, "%s/%s", writer->path, name);
}

/* The shard on disk holds the rows that it would be written with. */
static bool is_there(const ps_cache_writer *writer, size_t shard)
{
	char name[NAME_MAX], path[PATH_MAX];
	uint64_t shape[2] = {rows_of_shard(writer, shard), writer->width};
	const ps_tensor_info *info;
	ps_safetensors file;
	bool good;

	shard_path(writer, shard, name, path);
	if (!ps_folder_has(writer->folder, name) ||
	    ps_safetensors_open(&file, writer->sys, path, NULL))
		return false;
	good = !ps_safetensors_expect(&file, "activations", (int)writer->dtype, 2, shape, &info,
				      NULL) &&
	       json_integer_value(json_object_get(file.metadata, "first_row")) ==
		       (json_int_t)((uint64_t)shard * writer->shard_rows);
	ps_safetensors_close(&file);
	return good;
}

static int check_sizes(const ps_cache_writer *writer, ps_diag *diag)
{
	size_t bytes;

	if (!writer->rows || !writer->width || !writer->shard_rows)
		return ps_fail(diag, PS_EFAILED, "%s: a cache needs rows", writer->path);
	if (!ps_size_mul(writer->shard_rows, writer->width, &bytes) ||
	    !ps_size_mul(bytes, sizeof(float), &bytes) ||
	    strlen(writer->path) + NAME_MAX >= PATH_MAX ||
	    (writer->rows - 1) / writer->shard_rows >= SHARDS_MAX)
		return ps_fail(diag, PS_EFAILED, "%s: the sizes of the cache overflow",
			       writer->path);
	return 0;
}

int ps_cache_writer_create(ps_cache_writer **out, const ps_sys *sys, const char *path,
			   const json_t *provenance, bool force, ps_dtype dtype, uint64_t rows,
			   size_t width, size_t shard_rows, bool *done, ps_diag *diag)
{
	ps_cache_writer *writer = calloc(1, sizeof *writer);
	size_t shard = 0;
	int rc;

	*out = NULL;
	*done = false;
	if (!writer)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	*writer = (ps_cache_writer){.sys = sys,
				    .path = strdup(path),
				    .provenance = json_deep_copy(provenance),
				    .dtype = dtype,
				    .rows = rows,
				    .width = width,
				    .shard_rows = shard_rows};
	rc = writer->path && writer->provenance ? check_sizes(writer, diag)
						: ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	if (!rc)
		rc = ps_folder_begin(&writer->folder, sys, path, "activations", provenance, force,
				     done, diag);
	if (rc) {
		ps_cache_writer_close(writer);
		return rc;
	}
	while (!*done && (uint64_t)shard * shard_rows < rows && is_there(writer, shard))
		shard++;
	writer->resume_row = writer->next_row =
		*done ? rows : ps_min_size((size_t)rows, shard * shard_rows);
	*out = writer;
	return 0;
}

uint64_t ps_cache_writer_resume_row(const ps_cache_writer *writer)
{
	return writer->resume_row;
}

static int begin_shard(ps_cache_writer *writer, ps_diag *diag)
{
	char name[NAME_MAX], path[PATH_MAX];
	size_t shard = shard_of(writer, writer->next_row), rows = rows_of_shard(writer, shard);
	json_t *extra = json_pack("{s:O, s:I}", "provenance", writer->provenance, "first_row",
				  (json_int_t)writer->next_row);
	ps_tensor_decl decls[COLUMNS + 1];
	int rc;

	for (int i = 0; i < COLUMNS; i++)
		decls[i] = (ps_tensor_decl){column_names[i], PS_I32, 1, {rows}};
	decls[COLUMNS] = (ps_tensor_decl){"activations", writer->dtype, 2, {rows, writer->width}};
	shard_path(writer, shard, name, path);
	rc = extra ? ps_artefact_create(&writer->shard, writer->sys, path, "activations", extra,
					decls, COLUMNS + 1, diag)
		   : ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	json_decref(extra);
	return rc ? rc : ps_artefact_defer(writer->shard, COLUMNS * column_bytes(rows), diag);
}

static int end_shard(ps_cache_writer *writer, size_t shard, ps_diag *diag)
{
	char name[NAME_MAX], path[PATH_MAX];
	int rc = ps_artefact_commit(writer->shard, diag);

	writer->shard = NULL;
	shard_path(writer, shard, name, path);
	return rc ? rc : ps_folder_note(writer->folder, name, diag);
}

static int put_values(ps_cache_writer *writer, const float *values, size_t count, ps_diag *diag)
{
	uint16_t narrow[NARROW_VALUES];
	int rc = 0;

	if (writer->dtype == PS_F32)
		return ps_artefact_write(writer->shard, values, count * sizeof *values, diag);
	for (size_t at = 0; at < count && !rc; at += NARROW_VALUES) {
		size_t part = ps_min_size(NARROW_VALUES, count - at);

		ps_narrow_bf16(values + at, part, narrow);
		rc = ps_artefact_write(writer->shard, narrow, part * sizeof *narrow, diag);
	}
	return rc;
}

/* Rows that all belong to the shard of next_row. */
static int add_to_shard(ps_cache_writer *writer, const float *activations,
			const int32_t *const columns[COLUMNS], size_t rows, ps_diag *diag)
{
	size_t shard = shard_of(writer, writer->next_row), all = rows_of_shard(writer, shard);
	size_t first = (size_t)(writer->next_row % writer->shard_rows);
	int rc = writer->shard ? 0 : begin_shard(writer, diag);

	if (rc)
		return rc;
	for (size_t i = 0; i < COLUMNS; i++)
		ps_artefact_fill(writer->shard, i * column_bytes(all) + column_bytes(first),
				 columns[i], column_bytes(rows));
	rc = put_values(writer, activations, rows * writer->width, diag);
	if (rc)
		return rc;
	writer->next_row += rows;
	return first + rows == all ? end_shard(writer, shard, diag) : 0;
}

int ps_cache_writer_add(ps_cache_writer *writer, const float *activations, const int32_t *token_ids,
			const int32_t *positions, const int32_t *window_ids, size_t rows,
			ps_diag *diag)
{
	if (rows > writer->rows - writer->next_row)
		return ps_fail(diag, PS_EFAILED, "%s: more rows than the cache was begun with",
			       writer->path);
	while (rows) {
		const int32_t *const columns[COLUMNS] = {token_ids, positions, window_ids};
		size_t room = writer->shard_rows - (size_t)(writer->next_row % writer->shard_rows);
		size_t part = ps_min_size(rows, room);
		int rc = add_to_shard(writer, activations, columns, part, diag);

		if (rc)
			return rc;
		activations += part * writer->width;
		token_ids += part;
		positions += part;
		window_ids += part;
		rows -= part;
	}
	return 0;
}

int ps_cache_writer_finish(ps_cache_writer *writer, ps_diag *diag)
{
	json_t *extra;
	int rc;

	if (writer->next_row != writer->rows)
		return ps_fail(diag, PS_EFAILED, "%s: %" PRIu64 " rows of %" PRIu64 " have come",
			       writer->path, writer->next_row, writer->rows);
	extra = json_pack("{s:I, s:I, s:I, s:s}", "rows", (json_int_t)writer->rows, "width",
			  (json_int_t)writer->width, "shard_rows", (json_int_t)writer->shard_rows,
			  "dtype", ps_dtype_name(writer->dtype));
	rc = extra ? ps_folder_finish(writer->folder, extra, diag)
		   : ps_fail(diag, PS_EBUDGET, "%s: no memory", writer->path);
	json_decref(extra);
	return rc;
}

void ps_cache_writer_close(ps_cache_writer *writer)
{
	if (!writer)
		return;
	ps_artefact_abort(writer->shard);
	ps_folder_close(writer->folder);
	json_decref(writer->provenance);
	free(writer->path);
	free(writer);
}
