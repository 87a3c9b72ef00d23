/* io/weight_stream.h: a ps_weight_source over a checkpoint's tensors, by the chosen backend.
 * io/checkpoint.h is the way in; this is apart so that tests can replace the system's part. */
#ifndef PS_IO_WEIGHT_STREAM_H
#define PS_IO_WEIGHT_STREAM_H

#include "io/checkpoint.h"
#include "io/model_map.h"
#include "io/reader.h"

typedef struct ps_weight_stream ps_weight_stream;

typedef struct ps_weight_stream_options {
	const ps_model_map *map;
	const ps_model_config *config;
	const ps_sys *sys;
	const ps_ring *ring;
	ps_stream_options stream;
} ps_weight_stream_options;

size_t ps_weight_stream_bytes(const ps_model_map *map, const ps_model_config *config,
			      const ps_stream_options *options);

/* What the options point to outlives the stream; so does the arena. */
int ps_weight_stream_create(ps_weight_stream **stream, const ps_weight_stream_options *options,
			    ps_arena *arena, ps_weight_source *source, ps_diag *diag) PS_MUST_USE;
void ps_weight_stream_destroy(ps_weight_stream *stream); /* NULL allowed */

const char *ps_weight_stream_backend(const ps_weight_stream *stream);

#endif
