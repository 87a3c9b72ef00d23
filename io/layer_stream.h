/* io/layer_stream.h: two memory slots through which the decoder layers pass, one held by the computation while
 * the next one is read.
 *
 * A slot is as big as the largest layer. A layer's tensors may lie anywhere in any shard: those less than
 * 64 KiB apart are read as one range. States:
 *
 *   EMPTY --acquire, prefetch--> READING --wait--> READY --acquire--> HELD --release--> EMPTY
 *
 * A released slot's bytes stay, and are taken again when the same layer is asked for before the slot is needed. */
#ifndef PS_IO_LAYER_STREAM_H
#define PS_IO_LAYER_STREAM_H

#include "core/arena.h"
#include "io/model_map.h"
#include "io/reader.h"

typedef struct ps_layer_stream ps_layer_stream;

size_t ps_layer_stream_bytes(const ps_model_map *map, const ps_model_config *config);

/* All arguments outlive the stream; the slots come from the arena. */
int ps_layer_stream_create(ps_layer_stream **stream, const ps_model_map *map, const ps_model_config *config,
			   ps_reader *reader, ps_arena *arena, ps_diag *diag) PS_MUST_USE;
/* The reader goes first. NULL allowed. */
void ps_layer_stream_destroy(ps_layer_stream *stream);

/* As in ps_weight_source; keep is left NULL. */
int ps_layer_stream_acquire(ps_layer_stream *stream, int layer, int next, ps_layer_weights *out, ps_diag *diag) PS_MUST_USE;
void ps_layer_stream_release(ps_layer_stream *stream, int layer);

/* The views of a layer whose tensor t lies at data[t]. */
void ps_layer_views(const ps_located *tensors, const ps_model_config *config, const char *const *data, ps_layer_weights *out);

#endif
