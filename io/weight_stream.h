/* io/weight_stream.h: a ps_weight_source over a checkpoint's tensors, by the chosen backend.
 *
 * Callers use io/checkpoint.h. This module stands apart so that tests can replace the system calls
 * and the ring under it. */
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

/* Arena bytes: layer slots, and rows of embedding and head. 0 for PS_IO_MMAP. */
size_t ps_weight_stream_bytes(const ps_model_map *map, const ps_model_config *config,
			      const ps_stream_options *options);

/* Starts the reader (none for PS_IO_MMAP) and fills in *source. What the options point to must
 * outlive the stream, and so must the arena. PS_IO_URING on a system that refuses it: -errno. */
int ps_weight_stream_create(ps_weight_stream **stream, const ps_weight_stream_options *options,
			    ps_arena *arena, ps_weight_source *source, ps_diag *diag) PS_MUST_USE;
/* Ends the reader. NULL is allowed. */
void ps_weight_stream_destroy(ps_weight_stream *stream);

/* What is used: see ps_checkpoint_backend. */
const char *ps_weight_stream_backend(const ps_weight_stream *stream);

#endif
