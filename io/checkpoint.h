/* io/checkpoint.h: a Hugging Face checkpoint as a ps_weight_source: mapped, and streamed layer by layer.
 *
 * MODEL is a folder (config.json, model.safetensors or model.safetensors.index.json with shards) or a hub id
 * found in the local Hugging Face cache (HF_HUB_CACHE, HF_HOME/hub, ~/.cache/huggingface/hub; refs/main ->
 * snapshots -> blobs; read-only). Every tensor the config needs must be there in the right shape and a dtype
 * of BF16, F16, F32; biases and tensors of unknown meaning in decoder layers are refused, naming them. Names
 * with the prefixes "model.", "language_model.model." and "model.language_model." are understood.
 *
 * Backends: uring (io_uring, reads of the next layer in flight while one computes, past the page cache where
 * that is possible and the cache does not hold them), pread (a reader thread), mmap (no copy; madvise of the next
 * layer). auto: uring, else pread, said in ps_checkpoint_backend. The layer slots come from the arena; mmap
 * needs none. Slot states: EMPTY -> READING -> READY -> HELD -> EMPTY. */
#ifndef PS_IO_CHECKPOINT_H
#define PS_IO_CHECKPOINT_H

#include "core/base/arena.h"
#include "core/model/config.h"
#include "core/model/weights.h"
#include "io/backend.h"
#include "io/mask_file.h"
#include "io/safetensors.h"

/* The folder of MODEL into path (PATH_MAX bytes): itself when a folder, else the cached snapshot. */
int ps_model_resolve(const char *model, char *path, ps_diag *diag) PS_MUST_USE;

typedef struct ps_checkpoint ps_checkpoint;

/* Parses config.json, opens and checks all shards. No weights are read, no arena needed yet. */
int ps_checkpoint_open(ps_checkpoint **checkpoint, const ps_sys *sys, const char *model,
		       ps_diag *diag) PS_MUST_USE;
void ps_checkpoint_close(ps_checkpoint *checkpoint); /* NULL allowed */

const ps_model_config *ps_checkpoint_config(const ps_checkpoint *checkpoint);
const char *ps_checkpoint_folder(const ps_checkpoint *checkpoint);
uint64_t ps_checkpoint_bytes(const ps_checkpoint *checkpoint); /* of all weights */

/* PS_BF16 when every projection of the decoder layers is stored so, else PS_F32. */
ps_dtype ps_checkpoint_weights_dtype(const ps_checkpoint *checkpoint);

/* Identity of the weights: XXH3 over config.json, every shard's header, and 4 KiB of every MiB of its data. */
int ps_checkpoint_digest(ps_checkpoint *checkpoint, uint64_t *digest, ps_diag *diag) PS_MUST_USE;

/* The tensor's view in the mapping, dense. PS_EINPUT when absent. */
int ps_checkpoint_projection(ps_checkpoint *checkpoint, int layer, ps_projection projection,
			     ps_weight *out, ps_diag *diag) PS_MUST_USE;
int ps_checkpoint_embedding(ps_checkpoint *checkpoint, ps_weight *out, ps_diag *diag) PS_MUST_USE;

typedef struct ps_stream_options {
	ps_backend backend;
	int layer_slots; /* 2; 1 where a layer is released as soon as it is acquired (it is packed elsewhere) */
	const ps_mask_file *mask; /* attached to every projection handed out; or NULL */
} ps_stream_options;

/* Arena bytes of the layer slots and the rows of embedding and head. */
size_t ps_checkpoint_stream_bytes(const ps_checkpoint *checkpoint,
				  const ps_stream_options *options);
/* Starts streaming (anew: what the source handed out before is gone). Mask and arena outlive the streaming, that
 * is until the checkpoint is closed or streamed anew. uring asked for by name where it cannot be set up: -errno; a
 * failing read: PS_EINPUT. */
int ps_checkpoint_stream(ps_checkpoint *checkpoint, const ps_stream_options *options,
			 ps_arena *arena, ps_weight_source *source, ps_diag *diag) PS_MUST_USE;
/* "uring (direct, registered buffers)", "uring (buffered: O_DIRECT: Invalid argument, buffers not registered: Cannot
 * allocate memory)", "pread (io_uring: Operation not permitted)", "mmap"; "none" before the streaming. */
const char *ps_checkpoint_backend(const ps_checkpoint *checkpoint);

#endif
