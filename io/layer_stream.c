#include "io/layer_stream.h"

#include <stdlib.h>

#include "core/base/checked.h"

#define GAP_BYTES 65536 /* the most bytes between two tensors that are read as one range */

typedef enum slot_state { EMPTY, READING, READY, HELD } slot_state;

/* Where a layer's tensors go. Each range of a file goes into whole blocks of the slot. */
struct layout {
	size_t bytes, range_count;
	struct range {
		const ps_tensor_file *file;
		uint64_t first, end; /* in the file */
		size_t place;        /* in the slot, of the block that holds first */
	} ranges[PS_LAYER_TENSORS];
	size_t place[PS_LAYER_TENSORS]; /* of each tensor in the slot */
};

struct slot {
	slot_state state;
	int layer; /* whose bytes are in the slot, or are being read into it; -1: none */
	char *base;
	const char *data[PS_LAYER_TENSORS]; /* of each tensor; NULL: the layer has no such tensor */
	ps_read reads[PS_LAYER_TENSORS];
	ps_read_job job;
};

struct ps_layer_stream {
	const ps_model_map *map;
	const ps_model_config *config;
	ps_reader *reader;
	int slot_count;
	struct slot slots[PS_LAYER_SLOTS_MAX];
	int waiting; /* the layer to read once a slot is free; -1: none */
};

/* --- layout --- */

static int by_place(const void *a, const void *b)
{
	const ps_located *x = *(const ps_located *const *)a, *y = *(const ps_located *const *)b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return (x->info->offset > y->info->offset) - (x->info->offset < y->info->offset);
}

/* Sorts the tensors of a layer by file and offset. Returns how many there are. */
static size_t sort_tensors(const ps_located *tensors, const ps_located *sorted[PS_LAYER_TENSORS])
{
	size_t count = 0;

	for (int t = 0; t < PS_LAYER_TENSORS; t++)
		if (tensors[t].file)
			sorted[count++] = &tensors[t];
	qsort(sorted, count, sizeof *sorted, by_place);
	return count;
}

static void lay_out(const ps_located *tensors, struct layout *layout)
{
	const ps_located *sorted[PS_LAYER_TENSORS];
	size_t count = sort_tensors(tensors, sorted);
	struct range *range = NULL;

	layout->bytes = layout->range_count = 0;
	for (size_t i = 0; i < count; i++) {
		const ps_tensor_info *info = sorted[i]->info;

		if (!range || range->file != sorted[i]->file ||
		    info->offset > range->end + GAP_BYTES) {
			range = &layout->ranges[layout->range_count++];
			range->file = sorted[i]->file;
			range->first = info->offset;
			range->place = layout->bytes;
		}
		range->end = info->offset + info->bytes;
		layout->place[sorted[i] - tensors] =
			range->place +
			(size_t)(info->offset - (range->first - range->first % PS_READ_ALIGNMENT));
		layout->bytes = range->place + ps_read_room((size_t)(range->end - range->first));
	}
}

static size_t slot_bytes(const ps_model_map *map, const ps_model_config *config)
{
	size_t most = 0;

	for (size_t layer = 0; layer < config->layers; layer++) {
		struct layout layout;

		lay_out(ps_model_map_layer(map, (int)layer), &layout);
		most = ps_max_size(most, layout.bytes);
	}
	return most;
}

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out_slots(ps_layer_stream *stream, ps_arena *arena)
{
	const size_t bytes = slot_bytes(stream->map, stream->config);
	ps_layout layout = {.arena = arena};

	for (int i = 0; i < stream->slot_count; i++)
		stream->slots[i].base = ps_layout_part(&layout, bytes, 1);
	return layout.bytes;
}

size_t ps_layer_stream_bytes(const ps_model_map *map, const ps_model_config *config, int slots)
{
	ps_layer_stream stream = {.map = map, .config = config, .slot_count = slots};

	return lay_out_slots(&stream, NULL);
}

/* --- life --- */

int ps_layer_stream_create(ps_layer_stream **out, const ps_model_map *map,
			   const ps_model_config *config, int slots, ps_reader *reader,
			   ps_arena *arena, ps_diag *diag)
{
	ps_layer_stream *stream = calloc(1, sizeof *stream);

	if (!stream)
		return ps_fail(diag, PS_EBUDGET, "no memory for the list of layer slots");
	*stream = (ps_layer_stream){
		.map = map, .config = config, .reader = reader, .slot_count = slots, .waiting = -1};
	for (int i = 0; i < slots; i++)
		stream->slots[i].layer = -1;
	lay_out_slots(stream, arena);
	*out = stream;
	return 0;
}

void ps_layer_stream_destroy(ps_layer_stream *stream)
{
	free(stream);
}

/* --- transitions --- */

/* EMPTY -> READING */
static void start_reading(ps_layer_stream *stream, struct slot *slot, int layer, ps_read_turn turn)
{
	const ps_located *tensors = ps_model_map_layer(stream->map, layer);
	struct layout layout;

	lay_out(tensors, &layout);
	for (size_t i = 0; i < layout.range_count; i++) {
		const struct range *range = &layout.ranges[i];

		slot->reads[i] =
			(ps_read){range->file, range->first, (size_t)(range->end - range->first),
				  ps_read_place(slot->base + range->place, range->first)};
	}
	/* lay_out has placed every tensor that has a file. */
	for (int t = 0; t < PS_LAYER_TENSORS; t++)
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
		slot->data[t] = tensors[t].file ? slot->base + layout.place[t] : NULL;
	slot->job.reads = slot->reads;
	slot->job.count = layout.range_count;
	slot->layer = layer;
	slot->state = READING;
	ps_reader_submit(stream->reader, &slot->job, turn);
}

/* READING -> READY, or EMPTY on failure */
static int finish_reading(ps_layer_stream *stream, struct slot *slot, ps_diag *diag)
{
	int rc = ps_reader_wait(stream->reader, &slot->job, diag);

	slot->state = rc ? EMPTY : READY;
	if (rc)
		slot->layer = -1;
	return rc;
}

static struct slot *find(ps_layer_stream *stream, int layer)
{
	for (int i = 0; i < stream->slot_count; i++)
		if (stream->slots[i].layer == layer)
			return &stream->slots[i];
	return NULL;
}

/* Frees a slot for another layer: an empty one, or else one whose bytes nobody acquired. NULL:
 * there is none, or none without waiting. */
static struct slot *vacate(ps_layer_stream *stream, bool wait)
{
	struct slot *best = NULL;

	for (int i = 0; i < stream->slot_count; i++) {
		struct slot *slot = &stream->slots[i];

		if (slot->state == HELD || (slot->state == READING && !wait &&
					    !ps_reader_is_done(stream->reader, &slot->job)))
			continue;
		if (!best || (slot->state == EMPTY && best->state != EMPTY) ||
		    (best->state == READING && slot->state == READY))
			best = slot;
	}
	/* Nobody asked for these bytes, so nobody wants their error either. */
	if (best && best->state == READING)
		(void)finish_reading(stream, best, NULL);
	if (best)
		best->state = EMPTY;
	return best;
}

/* Starts reading a layer. Without a free slot it leaves that to the next release. */
static void prefetch(ps_layer_stream *stream, int layer)
{
	struct slot *slot;

	stream->waiting = -1;
	if (layer < 0 || find(stream, layer))
		return;
	slot = vacate(stream, false);
	if (slot)
		start_reading(stream, slot, layer, PS_READ_LAST);
	else
		stream->waiting = layer;
}

int ps_layer_stream_acquire(ps_layer_stream *stream, int layer, int next, ps_layer_weights *out,
			    ps_diag *diag)
{
	struct slot *slot = find(stream, layer);
	slot_state before;
	int rc;

	if (!slot) {
		slot = vacate(stream, true);
		if (!slot)
			return ps_fail(diag, PS_EFAILED,
				       "layer %d is asked for while all slots are held", layer);
		start_reading(stream, slot, layer, PS_READ_FIRST);
	}
	if (slot->state == HELD)
		return ps_fail(diag, PS_EFAILED, "layer %d is held already", layer);
	/* The slot becomes HELD before the next layer is queued, so that prefetch cannot choose it.
	 * The next layer is queued before this one is waited for, so that the device does not pause
	 * in between. */
	before = slot->state;
	slot->state = HELD;
	prefetch(stream, next);
	if (before == READING) {
		rc = finish_reading(stream, slot, diag);
		if (rc)
			return rc;
		slot->state = HELD;
	}
	ps_layer_views(ps_model_map_layer(stream->map, layer), stream->config, slot->data, out);
	return 0;
}

void ps_layer_stream_release(ps_layer_stream *stream, int layer)
{
	struct slot *slot = find(stream, layer);

	if (!slot || slot->state != HELD)
		return;
	slot->state = EMPTY;
	prefetch(stream, stream->waiting);
}

void ps_layer_views(const ps_located *tensors, const ps_model_config *config,
		    const char *const *data, ps_layer_weights *out)
{
	for (int t = 0; t < PS_LAYER_TENSORS; t++) {
		ps_weight *view = t < (int)PS_PROJECTIONS ? &out->projection[t]
							  : &out->norm[t - (int)PS_PROJECTIONS];

		size_t rows, cols;

		*view = (ps_weight){0};
		if (!tensors[t].file)
			continue;
		ps_layer_tensor_shape(config, t, &rows, &cols);
		*view = ps_located_view(&tensors[t], 0, rows, data[t]);
	}
}
