/* io/layer_stream.h: memory slots through which the decoder layers pass.
 *
 * With two slots the computation holds one layer while the next is read into the other slot. With
 * one slot the next layer is read from the moment this one is released. That is enough for a caller
 * that copies (packs) a layer and releases it at once.
 *
 * A slot is as large as the largest layer. The tensors of a layer may lie anywhere in any shard;
 * tensors less than 64 KiB apart are read as one range. States of a slot:
 *
 *   EMPTY -(acquire, prefetch, release of another)-> READING -(wait)-> READY -(acquire)-> HELD
 *   HELD -(release)-> EMPTY
 *
 * If there is no free slot for `next`, its reading waits for the first release. The bytes of a
 * released slot stay. They serve again if the same layer is asked for before the slot is needed. */
#ifndef PS_IO_LAYER_STREAM_H
#define PS_IO_LAYER_STREAM_H

#include "core/base/arena.h"
#include "io/checkpoint.h"
#include "io/model_map.h"
#include "io/reader.h"

#define PS_LAYER_SLOTS_MAX 2

typedef struct ps_layer_stream ps_layer_stream;

/* Arena bytes of the slots: whole blocks of PS_READ_ALIGNMENT. */
size_t ps_layer_stream_bytes(const ps_model_map *map, const ps_model_config *config, int slots);

/* Makes empty slots in the arena, whose next part must start on a block boundary. All arguments
 * must outlive the stream. */
int ps_layer_stream_create(ps_layer_stream **stream, const ps_model_map *map,
			   const ps_model_config *config, int slots, ps_reader *reader,
			   ps_arena *arena, ps_diag *diag) PS_MUST_USE;
/* Destroy the reader first: it may still write into the slots. NULL is allowed. */
void ps_layer_stream_destroy(ps_layer_stream *stream);

/* acquire_layer of ps_weight_source (core/model/weights.h). The edits are left
 * empty. */
int ps_layer_stream_acquire(ps_layer_stream *stream, int layer, int next, ps_layer_weights *out,
			    ps_diag *diag) PS_MUST_USE;
/* release_layer of ps_weight_source. A layer that is not held is allowed. */
void ps_layer_stream_release(ps_layer_stream *stream, int layer);

/* Makes the views of a layer's tensors (PS_LAYER_TENSORS) whose bytes are at data[t]. */
void ps_layer_views(const ps_located *tensors, const ps_model_config *config,
		    const char *const *data, ps_layer_weights *out);

#endif
