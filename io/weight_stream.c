#include "io/weight_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/layer_stream.h"
#include "io/row_stream.h"

struct ps_weight_stream {
	ps_weight_stream_options options;
	ps_reader *reader; /* NULL for mmap, as are layers and rows */
	ps_layer_stream *layers;
	ps_row_stream *rows;
	char backend[PS_BACKEND_TEXT];
};

static void attach_edit(const ps_weight_stream *stream, int layer, ps_layer_weights *out)
{
	const ps_weight_stream_options *options = &stream->options;

	if (!options->stream.mask)
		return;
	for (int p = 0; p < (int)PS_PROJECTIONS; p++)
		out->projection[p].edit =
			ps_edit_file_find(options->stream.mask, layer, (ps_projection)p);
}

/* --- the source over a reader --- */

static int streamed_acquire(void *self, int layer, int next, ps_layer_weights *out, ps_diag *diag)
{
	ps_weight_stream *stream = self;
	int rc = ps_layer_stream_acquire(stream->layers, layer, next, out, diag);

	if (!rc)
		attach_edit(stream, layer, out);
	return rc;
}

static void streamed_release(void *self, int layer)
{
	ps_weight_stream *stream = self;

	ps_layer_stream_release(stream->layers, layer);
}

static int streamed_embedding(void *self, const int32_t *ids, size_t count, float *out,
			      ps_diag *diag)
{
	ps_weight_stream *stream = self;

	return ps_row_stream_embedding(stream->rows, ids, count, out, diag);
}

static int streamed_head(void *self, size_t first, size_t rows, ps_weight *out, ps_diag *diag)
{
	ps_weight_stream *stream = self;

	return ps_row_stream_head(stream->rows, first, rows, out, diag);
}

static int streamed_final_norm(void *self, float *out, ps_diag *diag)
{
	ps_weight_stream *stream = self;

	return ps_row_stream_final_norm(stream->rows, out, diag);
}

static const ps_weight_source streamed_source = {
	.acquire_layer = streamed_acquire,
	.release_layer = streamed_release,
	.embedding_rows = streamed_embedding,
	.head_rows = streamed_head,
	.final_norm = streamed_final_norm,
};

/* --- the source over the mapping --- */

static const char *located_data(const ps_located *located)
{
	return ps_tensor_file_data(located->file, located->info);
}

/* Asks the kernel to read a tensor into the page cache. It is advice only. */
static void advise(const ps_located *located)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t first = located->info->offset / page * page;

	(void)madvise((void *)(located->file->map + first),
		      (size_t)(located->info->offset + located->info->bytes - first),
		      MADV_WILLNEED);
}

static int mapped_acquire(void *self, int layer, int next, ps_layer_weights *out, ps_diag *diag)
{
	const ps_weight_stream *stream = self;
	const ps_located *tensors = ps_model_map_layer(stream->options.map, layer);
	const char *data[PS_LAYER_TENSORS];

	(void)diag;
	for (int t = 0; t < PS_LAYER_TENSORS; t++)
		data[t] = tensors[t].file ? located_data(&tensors[t]) : NULL;
	ps_layer_views(tensors, stream->options.config, data, out);
	attach_edit(stream, layer, out);
	tensors = next < 0 ? NULL : ps_model_map_layer(stream->options.map, next);
	for (int t = 0; tensors && t < PS_LAYER_TENSORS; t++)
		if (tensors[t].file)
			advise(&tensors[t]);
	return 0;
}

static void mapped_release(void *self, int layer)
{
	(void)self;
	(void)layer;
}

static int mapped_embedding(void *self, const int32_t *ids, size_t count, float *out, ps_diag *diag)
{
	const ps_weight_stream *stream = self;
	const ps_located *matrix = &stream->options.map->embedding;
	size_t width = stream->options.config->width;
	int rc = 0;

	for (size_t i = 0; !rc && i < count; i++) {
		const size_t row = (size_t)ids[i];

		rc = ps_located_widen(matrix, row,
				      located_data(matrix) + row * ps_located_row_bytes(matrix),
				      out + i * width, diag);
	}
	return rc;
}

static int mapped_head(void *self, size_t first, size_t rows, ps_weight *out, ps_diag *diag)
{
	const ps_weight_stream *stream = self;
	const ps_located *matrix = &stream->options.map->head;
	int rc = ps_head_rows_check(stream->options.config, first, rows, diag);

	if (!rc)
		*out = ps_located_view(matrix, first, rows,
				       located_data(matrix) + first * ps_located_row_bytes(matrix));
	return rc;
}

static int mapped_final_norm(void *self, float *out, ps_diag *diag)
{
	const ps_weight_stream *stream = self;
	const ps_located *norm = &stream->options.map->final_norm;

	return ps_located_widen(norm, 0, located_data(norm), out, diag);
}

static const ps_weight_source mapped_source = {
	.acquire_layer = mapped_acquire,
	.release_layer = mapped_release,
	.embedding_rows = mapped_embedding,
	.head_rows = mapped_head,
	.final_norm = mapped_final_norm,
};

/* --- start and end --- */

static size_t buffer_bytes(const ps_model_map *map, const ps_model_config *config, int layer_slots)
{
	return ps_layer_stream_bytes(map, config, layer_slots) + ps_row_stream_bytes(map, config);
}

/* The one part that is taken from the arena: counted without one. A block of room lets the buffers
 * start on a block boundary. */
static char *lay_out(ps_layout *layout, size_t bytes)
{
	return ps_layout_part(layout, bytes + PS_READ_ALIGNMENT, 1);
}

static int start_streaming(ps_weight_stream *stream, ps_arena *arena, ps_diag *diag)
{
	const ps_weight_stream_options *options = &stream->options;
	int slots = options->stream.layer_slots, rc;
	size_t bytes = buffer_bytes(options->map, options->config, slots);
	ps_layout layout = {.arena = arena};
	/* Both streams take their buffers from an arena of their own, which starts on a block
	 * boundary. */
	ps_arena buffers = {.size_bytes = bytes, .base = ps_read_align(lay_out(&layout, bytes))};
	const ps_uring_options places = {
		.ring = options->ring,
		.sys = options->sys,
		.files = options->map->set->shards,
		.file_count = options->map->set->shard_count,
		.direct_least = PS_DIRECT_LEAST,
		.memory = buffers.base,
		.memory_bytes = bytes,
	};

	rc = ps_backend_reader(&stream->reader, options->stream.backend, &places, stream->backend,
			       diag);
	if (rc)
		return rc;
	rc = ps_layer_stream_create(&stream->layers, options->map, options->config, slots,
				    stream->reader, &buffers, diag);
	if (!rc)
		rc = ps_row_stream_create(&stream->rows, options->map, options->config,
					  stream->reader, &buffers, diag);
	return rc;
}

size_t ps_weight_stream_bytes(const ps_model_map *map, const ps_model_config *config,
			      const ps_stream_options *options)
{
	ps_layout layout = {0};

	if (options->backend != PS_IO_MMAP)
		(void)lay_out(&layout, buffer_bytes(map, config, options->layer_slots));
	return layout.bytes;
}

int ps_weight_stream_create(ps_weight_stream **out, const ps_weight_stream_options *options,
			    ps_arena *arena, ps_weight_source *source, ps_diag *diag)
{
	ps_weight_stream *stream = calloc(1, sizeof *stream);
	int rc = 0;

	if (!stream)
		return ps_fail(diag, PS_EBUDGET, "no memory for the stream of weights");
	stream->options = *options;
	if (options->stream.backend == PS_IO_MMAP) {
		snprintf(stream->backend, sizeof stream->backend, "mmap");
		*source = mapped_source;
	} else {
		rc = start_streaming(stream, arena, diag);
		*source = streamed_source;
	}
	if (rc) {
		ps_weight_stream_destroy(stream);
		return rc;
	}
	source->self = stream;
	*out = stream;
	return 0;
}

void ps_weight_stream_destroy(ps_weight_stream *stream)
{
	if (!stream)
		return;
	ps_reader_destroy(stream->reader); /* first: it writes into the buffers of the other two */
	ps_row_stream_destroy(stream->rows);
	ps_layer_stream_destroy(stream->layers);
	free(stream);
}

const char *ps_weight_stream_backend(const ps_weight_stream *stream)
{
	return stream->backend;
}
