/* A shard in the file: | token_ids | positions | window_ids | activations |, all rows of each. The
 * three columns are deferred (ps_artefact_defer): they are collected row by row, and written when
 * the shard is full. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "io/cache_store.h"

#define SHARDS_MAX 100000            /* beyond it names no longer sort as their numbers do */
#define NARROW_VALUES ((size_t)4096) /* values that are rounded to bf16 at a time */

struct ps_cache_writer {
	const ps_sys *sys;
	char *path;
	ps_folder *folder;
	json_t *provenance;
	ps_dtype dtype;
	uint64_t rows;     /* of the whole cache */
	uint64_t next_row; /* the next to arrive */
	size_t width, shard_rows;
	uint64_t resume_row;
	size_t columns;     /* PS_ROW_COLUMNS, or none */
	ps_artefact *shard; /* the shard that next_row lies in; NULL: not begun */
};

static size_t column_bytes(size_t rows)
{
	return rows * sizeof(int32_t);
}

size_t ps_cache_writer_bytes(ps_dtype dtype, size_t width, size_t shard_rows)
{
	size_t shard =
		shard_rows * (PS_ROW_COLUMNS * sizeof(int32_t) + width * ps_dtype_size(dtype));
	size_t head = ps_round_up(PS_ROW_COLUMNS * column_bytes(shard_rows), PS_BLOCK_BYTES);

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

/* True if the shard on disk holds the rows that it would be written with. */
static bool is_there(const ps_cache_writer *writer, size_t shard)
{
	char name[NAME_MAX], path[PATH_MAX];
	uint64_t shape[2] = {rows_of_shard(writer, shard), writer->width},
		 first_row = shard * writer->shard_rows;
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
		       (json_int_t)first_row;
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
	    (writer->rows - 1) / writer->shard_rows >= SHARDS_MAX)
		return ps_fail(diag, PS_EFAILED, "%s: the sizes of the cache overflow",
			       writer->path);
	return 0;
}

static int begin_folder(ps_cache_writer *writer, const ps_cache_spec *spec, bool *done,
			ps_diag *diag)
{
	const ps_folder_spec folder = {.path = spec->path,
				       .kind = "activations",
				       .provenance = spec->provenance,
				       .replace = spec->replace,
				       .old_first = spec->old_first,
				       .verify = spec->verify};

	int rc = ps_folder_begin(&writer->folder, writer->sys, &folder, done, diag);

	if (rc)
		return rc;
	free(writer->path);
	writer->path = strdup(ps_folder_path(writer->folder));
	return writer->path ? 0 : ps_fail(diag, PS_EBUDGET, "%s: no memory", spec->path);
}

int ps_cache_writer_create(ps_cache_writer **out, const ps_sys *sys, const ps_cache_spec *spec,
			   bool *done, ps_diag *diag)
{
	ps_cache_writer *writer = calloc(1, sizeof *writer);
	size_t shard = 0;
	int rc;

	*out = NULL;
	*done = false;
	if (!writer)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", spec->path);
	*writer = (ps_cache_writer){.sys = sys,
				    .path = strdup(spec->path),
				    .provenance = ps_json_copy(spec->provenance),
				    .dtype = spec->dtype,
				    .rows = spec->rows,
				    .width = spec->width,
				    .shard_rows = spec->shard_rows,
				    .columns = spec->rows_alone ? 0 : PS_ROW_COLUMNS};
	rc = writer->path && writer->provenance
		     ? check_sizes(writer, diag)
		     : ps_fail(diag, PS_EBUDGET, "%s: no memory", spec->path);
	if (!rc)
		rc = begin_folder(writer, spec, done, diag);
	if (rc) {
		ps_cache_writer_close(writer);
		return rc;
	}
	while (!*done && (uint64_t)shard * spec->shard_rows < spec->rows && is_there(writer, shard))
		shard++;
	writer->resume_row = writer->next_row =
		*done ? spec->rows : ps_min_size((size_t)spec->rows, shard * spec->shard_rows);
	*out = writer;
	return 0;
}

uint64_t ps_cache_writer_resume_row(const ps_cache_writer *writer)
{
	return writer->resume_row;
}

const char *ps_cache_writer_dropped(const ps_cache_writer *writer)
{
	return ps_folder_dropped(writer->folder);
}

static int begin_shard(ps_cache_writer *writer, ps_diag *diag)
{
	char name[NAME_MAX], path[PATH_MAX];
	size_t shard = shard_of(writer, writer->next_row), rows = rows_of_shard(writer, shard);
	json_t *extra = json_pack("{s:O, s:I}", "provenance", writer->provenance, "first_row",
				  (json_int_t)writer->next_row);
	ps_tensor_decl decls[PS_ROW_COLUMNS + 1];
	ps_artefact_spec spec = {.path = path,
				 .kind = "activations",
				 .extra = extra,
				 .tensors = decls,
				 .count = writer->columns + 1};
	int rc;

	for (size_t i = 0; i < PS_ROW_COLUMNS && writer->columns; i++)
		decls[i] =
			(ps_tensor_decl){ps_cache_column_name((ps_row_column)i), PS_I32, 1, {rows}};
	decls[writer->columns] =
		(ps_tensor_decl){"activations", writer->dtype, 2, {rows, writer->width}};
	shard_path(writer, shard, name, path);
	rc = extra ? ps_artefact_create(&writer->shard, writer->sys, &spec, diag)
		   : ps_fail(diag, PS_EBUDGET, "%s: no memory", path);
	json_decref(extra);
	return rc || !writer->columns
		       ? rc
		       : ps_artefact_defer(writer->shard, writer->columns * column_bytes(rows),
					   diag);
}

static int end_shard(ps_cache_writer *writer, size_t shard, ps_diag *diag)
{
	char name[NAME_MAX], path[PATH_MAX];
	int rc = ps_artefact_commit(writer->shard, diag);

	writer->shard = NULL;
	shard_path(writer, shard, name, path);
	return rc ? rc : ps_folder_note(writer->folder, name, diag);
}

/* What a cache holds is finite. at: of the value that is not, in this call. */
static int refuse_value(const ps_cache_writer *writer, const float *values, size_t at,
			ps_diag *diag)
{
	return ps_fail(diag, PS_EFAILED, "%s: row %" PRIu64 ", column %zu: %g overflows %s",
		       writer->path, writer->next_row + at / writer->width, at % writer->width,
		       (double)values[at], ps_dtype_name(writer->dtype));
}

/* The first value that rounds to none that is finite. */
static size_t first_to_overflow(const float *values, size_t count)
{
	size_t i = 0;

	while (i < count && isfinite(ps_bf16_to_f32(ps_f32_to_bf16(values[i]))))
		i++;
	return i;
}

static int put_values(ps_cache_writer *writer, const float *values, size_t count, ps_diag *diag)
{
	uint16_t narrow[NARROW_VALUES];
	int rc = 0;

	if (!ps_all_finite(values, count))
		return refuse_value(writer, values, ps_first_not_finite(values, count), diag);
	if (writer->dtype == PS_F32)
		return ps_artefact_write(writer->shard, values, count * sizeof *values, diag);
	for (size_t at = 0; at < count && !rc; at += NARROW_VALUES) {
		size_t part = ps_min_size(NARROW_VALUES, count - at);

		ps_narrow_bf16(values + at, part, narrow);
		if (!ps_all_finite_bf16(narrow, part))
			return refuse_value(writer, values, first_to_overflow(values, count), diag);
		rc = ps_artefact_write(writer->shard, narrow, part * sizeof *narrow, diag);
	}
	return rc;
}

/* Adds rows that all belong to the shard of next_row. */
static int add_to_shard(ps_cache_writer *writer, const float *activations,
			const int32_t *const columns[PS_ROW_COLUMNS], size_t rows, ps_diag *diag)
{
	size_t shard = shard_of(writer, writer->next_row), all = rows_of_shard(writer, shard);
	size_t first = (size_t)(writer->next_row % writer->shard_rows);
	int rc = writer->shard ? 0 : begin_shard(writer, diag);

	if (rc)
		return rc;
	for (size_t i = 0; i < PS_ROW_COLUMNS && writer->columns; i++)
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
		const int32_t *const columns[PS_ROW_COLUMNS] = {token_ids, positions, window_ids};
		size_t room = writer->shard_rows - (size_t)(writer->next_row % writer->shard_rows);
		size_t part = ps_min_size(rows, room);
		int rc = add_to_shard(writer, activations, columns, part, diag);

		if (rc)
			return rc;
		activations += part * writer->width;
		if (writer->columns) {
			token_ids += part;
			positions += part;
			window_ids += part;
		}
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
