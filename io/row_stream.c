#include "io/row_stream.h"

#include <stdlib.h>

#include "core/base/checked.h"

#define BLOCK_ROWS 64 /* rows of the embedding that are gathered at a time */
#define HALVES 2

/* A block of rows of the head. */
struct half {
	bool reading;
	size_t first, rows; /* rows 0: the half is empty */
	char *base;
	ps_read read;
	ps_read_job job;
};

struct wanted {
	int32_t id;
	size_t at; /* row of the output */
};

struct ps_row_stream {
	const ps_model_map *map;
	const ps_model_config *config;
	ps_reader *reader;
	struct half halves[HALVES];
	char *staging; /* (BLOCK_ROWS) rows, each with room for the blocks that it touches */
	struct wanted wanted[BLOCK_ROWS];
	ps_read reads[BLOCK_ROWS];
	ps_read_job job;
};

static size_t half_bytes(const ps_model_map *map, const ps_model_config *config)
{
	size_t rows = ps_min_size(PS_HEAD_ROWS_MAX, config->vocab);

	return ps_read_room(rows * ps_located_row_bytes(&map->head));
}

/* The final norm fits as well: its one row may be twice as wide as a row of the embedding. */
static size_t staging_bytes(const ps_model_map *map)
{
	return BLOCK_ROWS * ps_read_room(ps_located_row_bytes(&map->embedding));
}

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out(ps_row_stream *stream, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	for (int i = 0; i < HALVES; i++)
		stream->halves[i].base =
			ps_layout_part(&layout, half_bytes(stream->map, stream->config), 1);
	stream->staging = ps_layout_part(&layout, staging_bytes(stream->map), 1);
	return layout.bytes;
}

size_t ps_row_stream_bytes(const ps_model_map *map, const ps_model_config *config)
{
	ps_row_stream stream = {.map = map, .config = config};

	return lay_out(&stream, NULL);
}

int ps_row_stream_create(ps_row_stream **out, const ps_model_map *map,
			 const ps_model_config *config, ps_reader *reader, ps_arena *arena,
			 ps_diag *diag)
{
	ps_row_stream *stream = calloc(1, sizeof *stream);

	if (!stream)
		return ps_fail(diag, PS_EBUDGET, "no memory for the reads of embedding and head");
	stream->map = map;
	stream->config = config;
	stream->reader = reader;
	lay_out(stream, arena);
	*out = stream;
	return 0;
}

void ps_row_stream_destroy(ps_row_stream *stream)
{
	free(stream);
}

/* --- embedding --- */

static int by_id(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int run_job(ps_row_stream *stream, size_t reads, ps_diag *diag)
{
	stream->job.reads = stream->reads;
	stream->job.count = reads;
	ps_reader_submit(stream->reader, &stream->job, PS_READ_FIRST);
	return ps_reader_wait(stream->reader, &stream->job, diag);
}

/* Gathers the rows of at most BLOCK_ROWS ids. */
static int gather(ps_row_stream *stream, const int32_t *ids, size_t count, float *out,
		  ps_diag *diag)
{
	const ps_located *matrix = &stream->map->embedding;
	size_t row_bytes = ps_located_row_bytes(matrix), room = ps_read_room(row_bytes),
	       width = stream->config->width, reads = 0;
	int rc;

	for (size_t i = 0; i < count; i++)
		stream->wanted[i] = (struct wanted){ids[i], i};
	qsort(stream->wanted, count, sizeof *stream->wanted, by_id);
	for (size_t i = 0; i < count; i++)
		if (!i || stream->wanted[i].id != stream->wanted[i - 1].id) {
			uint64_t offset =
				matrix->info->offset + (uint64_t)stream->wanted[i].id * row_bytes;

			stream->reads[reads] =
				(ps_read){matrix->file, offset, row_bytes,
					  ps_read_place(stream->staging + reads * room, offset)};
			reads++;
		}
	rc = run_job(stream, reads, diag);
	if (rc)
		return rc;
	reads = 0;
	for (size_t i = 0; !rc && i < count; i++) {
		reads += i && stream->wanted[i].id != stream->wanted[i - 1].id;
		rc = ps_located_widen(matrix, (size_t)stream->wanted[i].id,
				      stream->reads[reads].buffer,
				      out + stream->wanted[i].at * width, diag);
	}
	return rc;
}

int ps_row_stream_embedding(ps_row_stream *stream, const int32_t *ids, size_t count, float *out,
			    ps_diag *diag)
{
	for (size_t first = 0; first < count; first += BLOCK_ROWS) {
		int rc = gather(stream, ids + first, ps_min_size(count - first, BLOCK_ROWS),
				out + first * stream->config->width, diag);

		if (rc)
			return rc;
	}
	return 0;
}

int ps_row_stream_final_norm(ps_row_stream *stream, float *out, ps_diag *diag)
{
	const ps_located *norm = &stream->map->final_norm;
	const ps_tensor_info *info = norm->info;
	int rc;

	stream->reads[0] = (ps_read){norm->file, info->offset, (size_t)info->bytes,
				     ps_read_place(stream->staging, info->offset)};
	rc = run_job(stream, 1, diag);
	return rc ? rc : ps_located_widen(norm, 0, stream->reads[0].buffer, out, diag);
}

/* --- head --- */

static void start_half(ps_row_stream *stream, struct half *half, size_t first, size_t rows)
{
	const ps_located *matrix = &stream->map->head;
	size_t row_bytes = ps_located_row_bytes(matrix);
	uint64_t offset = matrix->info->offset + (uint64_t)first * row_bytes;

	half->first = first;
	half->rows = rows;
	half->read = (ps_read){matrix->file, offset, rows * row_bytes,
			       ps_read_place(half->base, offset)};
	half->job.reads = &half->read;
	half->job.count = 1;
	half->reading = true;
	ps_reader_submit(stream->reader, &half->job, PS_READ_FIRST);
}

static int finish_half(ps_row_stream *stream, struct half *half, ps_diag *diag)
{
	int rc = half->reading ? ps_reader_wait(stream->reader, &half->job, diag) : 0;

	half->reading = false;
	if (rc)
		half->rows = 0;
	return rc;
}

static struct half *find_half(ps_row_stream *stream, size_t first, size_t rows)
{
	for (int i = 0; i < HALVES; i++)
		if (stream->halves[i].first == first && stream->halves[i].rows >= rows)
			return &stream->halves[i];
	return NULL;
}

/* Frees a half for rows that are wanted now: one that is not being read, if there is one. */
static struct half *vacate_half(ps_row_stream *stream)
{
	struct half *half = &stream->halves[stream->halves[0].reading];

	/* Nobody asked for these bytes, so nobody wants their error either. */
	(void)finish_half(stream, half, NULL);
	return half;
}

static void prefetch_half(ps_row_stream *stream, const struct half *used, size_t first, size_t rows)
{
	struct half *other = &stream->halves[used == &stream->halves[0]];

	rows = ps_min_size(rows, stream->config->vocab - first);
	if (rows && !other->reading && !find_half(stream, first, rows))
		start_half(stream, other, first, rows);
}

int ps_row_stream_head(ps_row_stream *stream, size_t first, size_t rows, ps_weight *out,
		       ps_diag *diag)
{
	int rc = ps_head_rows_check(stream->config, first, rows, diag);
	struct half *half;

	if (rc)
		return rc;
	half = find_half(stream, first, rows);
	if (!half) {
		half = vacate_half(stream);
		start_half(stream, half, first, rows);
	}
	rc = finish_half(stream, half, diag);
	if (rc)
		return rc;
	prefetch_half(stream, half, first + rows, rows);
	*out = ps_located_view(&stream->map->head, first, rows, half->read.buffer);
	return 0;
}

/* --- shared with the source over the mapping (io/weight_stream.c) --- */

int ps_head_rows_check(const ps_model_config *config, size_t first, size_t rows, ps_diag *diag)
{
	if (rows && rows <= PS_HEAD_ROWS_MAX && ps_range_fits(first, rows, config->vocab))
		return 0;
	return ps_fail(diag, PS_EFAILED,
		       "head rows %zu to %zu of %zu are asked for (at most %d at a time)", first,
		       first + rows, config->vocab, PS_HEAD_ROWS_MAX);
}
