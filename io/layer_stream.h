/* io/layer_stream.h: memory slots through which the decoder layers pass. With two, one is held by the
 * computation while the next layer is read into the other; with one, the next layer is read from the release of
 * this one on, which is enough for a caller that copies (packs) a layer and releases it at once.
 *
 * A slot is as big as the largest layer. A layer's tensors may lie anywhere in any shard: those less than
 * 64 KiB apart are read as one range. States:
 *
 *   EMPTY --acquire, prefetch, release of another--> READING --wait--> READY --acquire--> HELD --release--> EMPTY
 *
 * A `next` that finds no free slot waits for the first release. A released slot's bytes stay, and are taken
 * again when the same layer is asked for before the slot is needed. */
#ifndef PS_IO_LAYER_STREAM_H
#define PS_IO_LAYER_STREAM_H

#include "core/base/arena.h"
#include "io/checkpoint.h"
#include "io/model_map.h"
#include "io/reader.h"

#define PS_LAYER_SLOTS_MAX 2

typedef struct ps_layer_stream ps_layer_stream;

/* Whole blocks of PS_READ_ALIGNMENT. */
size_t ps_layer_stream_bytes(const ps_model_map *map, const ps_model_config *config, int slots);

/* All arguments outlive the stream; the slots come from the arena, whose next part starts on a block. */
int ps_layer_stream_create(ps_layer_stream **stream, const ps_model_map *map,
			   const ps_model_config *config, int slots, ps_reader *reader,
			   ps_arena *arena, ps_diag *diag) PS_MUST_USE;
/* The reader goes first. NULL allowed. */
void ps_layer_stream_destroy(ps_layer_stream *stream);

/* As in ps_weight_source; keep is left NULL. */
int ps_layer_stream_acquire(ps_layer_stream *stream, int layer, int next, ps_layer_weights *out,
			    ps_diag *diag) PS_MUST_USE;
void ps_layer_stream_release(ps_layer_stream *stream, int layer);

/* The views of a layer whose tensor t lies at data[t]. */
void ps_layer_views(const ps_located *tensors, const ps_model_config *config,
		    const char *const *data, ps_layer_weights *out);

#endif
