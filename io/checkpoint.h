/* io/checkpoint.h: a checkpoint: mapped, and as a ps_weight_source that streams its layers.
 *
 * MODEL is a folder, a hub id, or a file.
 * - A folder holds config.json, and model.safetensors or model.safetensors.index.json with its
 *   shards.
 * - A hub id is looked up in the local Hugging Face cache (io/hub.h), which is only read.
 * - A safetensors file holds all weights; config.json lies beside it.
 * - A GGUF file holds all weights, and its metadata are the config (io/gguf_config.h). Its weights
 *   stay in their types until their rows are packed (core/model/row_stage.h).
 * Every tensor that the config needs must be there in the right shape, in a type of weights. Biases
 * and unknown tensors in decoder layers are refused by name (io/model_map.h). What is there instead
 * of a checkpoint is named (io/recognize.h).
 *
 * Backends (io/backend.h):
 * - uring: the next layer is read while one computes. What the page cache does not hold is read
 *   past it.
 * - pread: a thread reads, through the page cache.
 * - mmap: nothing is copied; the kernel is asked to read the next layer (madvise).
 * - auto: uring, or pread if io_uring is refused. ps_checkpoint_backend tells which.
 * The layer slots come from the arena; mmap needs none. Their states: io/layer_stream.h. */
#ifndef PS_IO_CHECKPOINT_H
#define PS_IO_CHECKPOINT_H

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/model/config.h"
#include "core/model/weights.h"
#include "io/backend.h"
#include "io/edit_file.h"
#include "io/safetensors.h"

/* What the path of a model is. */
typedef enum ps_model_form {
	PS_MODEL_FOLDER,
	PS_MODEL_SAFETENSORS,
	PS_MODEL_GGUF,
} ps_model_form;

/* Writes the path of MODEL to path (PATH_MAX bytes): MODEL itself if it is a folder or a file of
 * one of the two formats, else the snapshot in the Hugging Face cache. PS_EINPUT if there is none
 * of them. */
int ps_model_resolve(const char *model, char *path, ps_diag *diag) PS_MUST_USE;
/* What stands at such a path. */
ps_model_form ps_model_form_of(const char *path);
/* Writes the path of the model's file `name` to out (PATH_MAX bytes): in the folder at path, or
 * beside the file at path. PS_EINPUT: it is too long. */
int ps_model_beside(const char *path, const char *name, char *out, ps_diag *diag) PS_MUST_USE;

typedef struct ps_checkpoint ps_checkpoint;

/* Parses the config, opens and checks all files of weights. Reads no weights and needs no arena. */
int ps_checkpoint_open(ps_checkpoint **checkpoint, const ps_sys *sys, const char *model,
		       ps_diag *diag) PS_MUST_USE;
/* Ends the streaming and unmaps the shards. NULL is allowed. */
void ps_checkpoint_close(ps_checkpoint *checkpoint);

/* The parsed config, borrowed. */
const ps_model_config *ps_checkpoint_config(const ps_checkpoint *checkpoint);
/* The path of the checkpoint: a folder or a file. Borrowed. */
const char *ps_checkpoint_path(const ps_checkpoint *checkpoint);
/* The config as config.json, NUL-terminated: the file's own text, or what a GGUF file's metadata
 * amount to. Borrowed. */
const char *ps_checkpoint_config_text(const ps_checkpoint *checkpoint);
/* Bytes of all weights in their files. */
uint64_t ps_checkpoint_bytes(const ps_checkpoint *checkpoint);

/* False if the files hold no output head and the config does not tie it to the embedding, as of a
 * decoder that was saved alone. The source then hands out the embedding as head: do not use it. */
bool ps_checkpoint_has_head(const ps_checkpoint *checkpoint);

/* Finds which projection a tensor of the checkpoint's files is, by its name. False: it is none. */
bool ps_checkpoint_find_projection(const ps_checkpoint *checkpoint, const char *name, int *layer,
				   ps_projection *projection);

/* PS_BF16 if every projection of the decoder layers is stored so, else PS_F32. */
ps_dtype ps_checkpoint_weights_dtype(const ps_checkpoint *checkpoint);

/* Whether the program computes with the tensor of this name, as it stands in the files. */
bool ps_checkpoint_uses(const ps_checkpoint *checkpoint, const char *tensor);

/* The weights that the program computes with, by number: decoder layers, embedding, final norm, and
 * the head if it has a tensor of its own. */
size_t ps_checkpoint_weight_count(const ps_checkpoint *checkpoint);
/* A dense view of weight number i in the mapping. name (PS_WEIGHT_NAME): what transformers calls
 * it. Returns its rank: a vector has one row. */
#define PS_WEIGHT_NAME 96
int ps_checkpoint_weight(const ps_checkpoint *checkpoint, size_t i, char *name, ps_weight *out);

/* The identity of the weights: XXH3 over config.json and the XXH3 of every shard; of a GGUF file,
 * which holds its own config, over its XXH3. All bytes of a shard are read once for each state of
 * its file (io/known_digest.h), with progress. A folder that this program exported has a manifest;
 * a file that differs from it is PS_EINPUT. context: pool and progress; NULL: one thread,
 * silent. */
int ps_checkpoint_digest(ps_checkpoint *checkpoint, const ps_context *context, uint64_t *digest,
			 ps_diag *diag) PS_MUST_USE;

/* The digest, as text, of the checkpoint that `export` made this one from. NULL: of another tool.
 * Borrowed. */
const char *ps_checkpoint_source(const ps_checkpoint *checkpoint);
/* The digest of the mask that `export` applied. NULL: none, or of another tool. Borrowed. */
const char *ps_checkpoint_mask(const ps_checkpoint *checkpoint);

/* A dense view of a projection in the mapping. PS_EINPUT if the model has no such layer. */
int ps_checkpoint_projection(ps_checkpoint *checkpoint, int layer, ps_projection projection,
			     ps_weight *out, ps_diag *diag) PS_MUST_USE;
/* A dense view of the token embedding in the mapping. It cannot fail. */
int ps_checkpoint_embedding(ps_checkpoint *checkpoint, ps_weight *out, ps_diag *diag) PS_MUST_USE;

typedef struct ps_stream_options {
	ps_backend backend;
	int layer_slots; /* 2; or 1 for a caller that packs a layer and releases it at once */
	const ps_edit_file *
		mask; /* or rounding, attached to every projection that is handed out; NULL: none */
} ps_stream_options;

/* Arena bytes of the layer slots, and of the rows of embedding and head. */
size_t ps_checkpoint_stream_bytes(const ps_checkpoint *checkpoint,
				  const ps_stream_options *options);
/* Starts streaming, or starts it anew: what the source handed out before is then gone. Mask and
 * arena must outlive the streaming, that is, until the checkpoint is closed or streamed anew. uring
 * asked for by name on a system that refuses it: -errno. A read that fails later: PS_EINPUT. */
int ps_checkpoint_stream(ps_checkpoint *checkpoint, const ps_stream_options *options,
			 ps_arena *arena, ps_weight_source *source, ps_diag *diag) PS_MUST_USE;
/* What is used, for people. "none" before the streaming. Else one of
 *   "uring (direct, registered buffers)"
 *   "uring (buffered: O_DIRECT: Invalid argument, buffers not registered: Cannot allocate memory)"
 *   "pread (io_uring: Operation not permitted)"
 *   "mmap" */
const char *ps_checkpoint_backend(const ps_checkpoint *checkpoint);

#endif
