#include "io/checkpoint.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/digest.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/gguf.h"
#include "io/gguf_config.h"
#include "io/hub.h"
#include "io/known_digest.h"
#include "io/recognize.h"
#include "io/weight_stream.h"

#define CONFIG_BYTES_MAX ((size_t)16 << 20)

struct ps_checkpoint {
	const ps_sys *sys;
	char *path, *config_text;
	ps_model_form form;
	size_t config_length;
	ps_model_config config;
	ps_shard_set shards;
	ps_model_map map;
	ps_weight_stream *stream; /* NULL until ps_checkpoint_stream */
};

/* --- what MODEL is --- */

static bool ends_with(const char *name, const char *end)
{
	const size_t n = strlen(name), m = strlen(end);

	return n >= m && !strcmp(name + n - m, end);
}

/* MODEL is something that is no folder. Safetensors files have no sign but their name. */
static int check_file(const char *model, ps_diag *diag)
{
	const char *what = ps_recognize_file(&ps_sys_linux, model);

	if (ends_with(model, ".safetensors") || ends_with(model, ".gguf") ||
	    (what && !strcmp(what, PS_RECOGNIZED_GGUF)))
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: not a checkpoint folder, nor a .gguf or .safetensors file%s%s", model,
		       what ? ", but " : "", what ? what : "");
}

int ps_model_resolve(const char *model, char *path, ps_diag *diag)
{
	size_t length = strlen(model);
	struct stat st;

	if (!stat(model, &st)) {
		if (length >= PATH_MAX)
			return ps_fail(diag, PS_EINPUT, "%s: the path is too long", model);
		memcpy(path, model, length + 1);
		return S_ISDIR(st.st_mode) ? 0 : check_file(model, diag);
	}
	if (errno != ENOENT)
		return ps_fail(diag, PS_EINPUT, "%s: %s", model, strerror(errno));
	if (!ps_hub_is_id(model))
		return ps_fail(diag, PS_EINPUT, "%s: no such folder or file", model);
	return ps_hub_snapshot(model, path, diag);
}

ps_model_form ps_model_form_of(const char *path)
{
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return PS_MODEL_FOLDER;
	return ends_with(path, ".safetensors") ? PS_MODEL_SAFETENSORS : PS_MODEL_GGUF;
}

int ps_model_beside(const char *path, const char *name, char *out, ps_diag *diag)
{
	const char *slash = strrchr(path, '/');
	const bool is_file = ps_model_form_of(path) != PS_MODEL_FOLDER;
	const char *folder = is_file && !slash ? "." : path;
	const int length = is_file && slash ? (int)(slash - path) : (int)strlen(folder);

	if (snprintf(out, PATH_MAX, "%.*s/%s", length, folder, name) >= PATH_MAX)
		return ps_fail(diag, PS_EINPUT, "%s: the path is too long", path);
	return 0;
}

/* --- opening --- */

/* transformers adds an adapter that lies beside a model to it. */
static int refuse_adapter(const char *model, ps_diag *diag)
{
	char path[PATH_MAX];
	int rc = ps_model_beside(model, "adapter_config.json", path, diag);

	if (rc || !ps_file_is_named(path))
		return rc;
	return ps_fail(diag, PS_EINPUT,
		       "%s: a PEFT (LoRA) adapter is not supported: merge it into its base model "
		       "and save that",
		       path);
}

static int read_config(ps_checkpoint *checkpoint, ps_diag *diag)
{
	char path[PATH_MAX];
	int rc = ps_model_beside(checkpoint->path, "config.json", path, diag);

	if (rc)
		return rc;
	if (!ps_file_is_named(path)) {
		*strrchr(path, '/') = 0;
		return ps_recognize_model(path, "config.json", diag);
	}
	rc = ps_file_read(checkpoint->sys, path, CONFIG_BYTES_MAX, &checkpoint->config_text,
			  &checkpoint->config_length, diag);
	if (rc)
		return rc;
	return ps_config_parse(checkpoint->config_text, checkpoint->config_length, path,
			       &checkpoint->config, diag);
}

/* config.json, and the safetensors files of a folder, or one of them. */
static int open_safetensors(ps_checkpoint *checkpoint, ps_diag *diag)
{
	ps_safetensors file;
	int rc = refuse_adapter(checkpoint->path, diag);

	if (!rc)
		rc = read_config(checkpoint, diag);
	if (rc)
		return rc;
	if (checkpoint->form == PS_MODEL_FOLDER)
		return ps_shard_set_open(&checkpoint->shards, checkpoint->sys, checkpoint->path,
					 diag);
	rc = ps_safetensors_open(&file, checkpoint->sys, checkpoint->path, diag);
	return rc ? rc : ps_shard_set_take(&checkpoint->shards, &file, diag);
}

static int open_gguf(ps_checkpoint *checkpoint, ps_diag *diag)
{
	ps_gguf gguf;
	int rc = ps_gguf_open(&gguf, checkpoint->sys, checkpoint->path, diag);

	if (rc)
		return rc;
	rc = ps_gguf_config(&gguf, &checkpoint->config_text, &checkpoint->config_length, diag);
	if (!rc)
		rc = ps_config_parse(checkpoint->config_text, checkpoint->config_length,
				     checkpoint->path, &checkpoint->config, diag);
	if (!rc)
		rc = ps_shard_set_take(&checkpoint->shards, &gguf.file, diag);
	ps_gguf_close(&gguf);
	return rc;
}

int ps_checkpoint_open(ps_checkpoint **out, const ps_sys *sys, const char *model, ps_diag *diag)
{
	ps_checkpoint *checkpoint = calloc(1, sizeof *checkpoint);
	char path[PATH_MAX];
	int rc;

	if (!checkpoint)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", model);
	checkpoint->sys = sys;
	rc = ps_model_resolve(model, path, diag);
	if (rc)
		goto out;
	checkpoint->form = ps_model_form_of(path);
	checkpoint->path = strdup(path);
	if (!checkpoint->path) {
		rc = ps_fail(diag, PS_EBUDGET, "%s: no memory", model);
		goto out;
	}
	rc = checkpoint->form == PS_MODEL_GGUF ? open_gguf(checkpoint, diag)
					       : open_safetensors(checkpoint, diag);
	if (!rc)
		rc = ps_model_map_build(&checkpoint->map, &checkpoint->shards, &checkpoint->config,
					path, diag);
out:
	if (rc) {
		ps_checkpoint_close(checkpoint);
		return rc;
	}
	*out = checkpoint;
	return 0;
}

void ps_checkpoint_close(ps_checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	ps_weight_stream_destroy(checkpoint->stream);
	ps_model_map_free(&checkpoint->map);
	ps_shard_set_close(&checkpoint->shards);
	free(checkpoint->config_text);
	free(checkpoint->path);
	free(checkpoint);
}

const ps_model_config *ps_checkpoint_config(const ps_checkpoint *checkpoint)
{
	return &checkpoint->config;
}

const char *ps_checkpoint_path(const ps_checkpoint *checkpoint)
{
	return checkpoint->path;
}

const char *ps_checkpoint_config_text(const ps_checkpoint *checkpoint)
{
	return checkpoint->config_text;
}

uint64_t ps_checkpoint_bytes(const ps_checkpoint *checkpoint)
{
	return checkpoint->map.bytes;
}

bool ps_checkpoint_has_head(const ps_checkpoint *checkpoint)
{
	return !checkpoint->map.headless;
}

bool ps_checkpoint_find_projection(const ps_checkpoint *checkpoint, const char *name, int *layer,
				   ps_projection *projection)
{
	return ps_projection_of(&checkpoint->config, checkpoint->map.prefix, name, layer,
				projection);
}

ps_dtype ps_checkpoint_weights_dtype(const ps_checkpoint *checkpoint)
{
	for (size_t layer = 0; layer < checkpoint->config.layers; layer++)
		for (int p = 0; p < (int)PS_PROJECTIONS; p++)
			if (ps_model_map_layer(&checkpoint->map, (int)layer)[p].info->dtype !=
			    (int)PS_BF16)
				return PS_F32;
	return PS_BF16;
}

static bool is_called(const ps_located *located, const char *tensor)
{
	return located->file && !strcmp(located->info->name, tensor);
}

bool ps_checkpoint_uses(const ps_checkpoint *checkpoint, const char *tensor)
{
	const ps_model_map *map = &checkpoint->map;

	for (size_t t = 0; t < checkpoint->config.layers * (size_t)PS_LAYER_TENSORS; t++)
		if (is_called(&map->layers[t], tensor))
			return true;
	return is_called(&map->embedding, tensor) || is_called(&map->final_norm, tensor) ||
	       is_called(&map->head, tensor);
}

/* --- digest --- */

static bool is_exported(const ps_checkpoint *checkpoint)
{
	const char *kind =
		json_string_value(json_object_get(checkpoint->shards.shards[0].metadata, "kind"));

	return kind && !strcmp(kind, "checkpoint");
}

/* An input of the export that made the checkpoint. */
static const char *exported_input(const ps_checkpoint *checkpoint, const char *name)
{
	const json_t *provenance =
			     json_object_get(checkpoint->shards.shards[0].metadata, "provenance"),
		     *inputs = json_object_get(provenance, "inputs");

	return is_exported(checkpoint) ? json_string_value(json_object_get(inputs, name)) : NULL;
}

const char *ps_checkpoint_source(const ps_checkpoint *checkpoint)
{
	return exported_input(checkpoint, "model");
}

const char *ps_checkpoint_mask(const ps_checkpoint *checkpoint)
{
	return exported_input(checkpoint, "mask");
}

/* Compares config.json and the shards with the manifest of their folder. */
static int compare_noted(const ps_checkpoint *checkpoint, const json_t *manifest,
			 const char *folder, const ps_known_file *files, ps_diag *diag)
{
	int rc = ps_folder_compare(manifest, folder, "config.json", checkpoint->config_length,
				   ps_digest_of(checkpoint->config_text, checkpoint->config_length),
				   diag);

	for (size_t i = 0; !rc && i < checkpoint->shards.shard_count; i++) {
		const char *slash = strrchr(files[i].path, '/');

		rc = ps_folder_compare(manifest, folder, slash ? slash + 1 : files[i].path,
				       files[i].bytes, files[i].digest, diag);
	}
	return rc;
}

/* Only a folder that `export` wrote has a manifest of ours: what calls itself manifest.json in
 * another one is not. */
static int compare_exported(const ps_checkpoint *checkpoint, const ps_known_file *files,
			    ps_diag *diag)
{
	char folder[PATH_MAX];
	json_t *manifest = NULL;
	int rc;

	if (!is_exported(checkpoint))
		return 0;
	rc = ps_model_beside(checkpoint->path, "", folder, diag);
	if (rc)
		return rc;
	*strrchr(folder, '/') = 0;
	rc = ps_folder_read_manifest(checkpoint->sys, folder, &manifest, diag);
	if (!rc && manifest)
		rc = compare_noted(checkpoint, manifest, folder, files, diag);
	json_decref(manifest);
	return rc;
}

static int digest_shards(const ps_checkpoint *checkpoint, const ps_context *context,
			 ps_known_file *files, ps_diag *diag)
{
	const size_t count = checkpoint->shards.shard_count;
	int rc;

	for (size_t i = 0; i < count; i++)
		files[i].path = checkpoint->shards.shards[i].path;
	rc = ps_known_digests(checkpoint->sys, files, count, context, true, diag);
	return rc ? rc : compare_exported(checkpoint, files, diag);
}

int ps_checkpoint_digest(ps_checkpoint *checkpoint, const ps_context *context, uint64_t *value,
			 ps_diag *diag)
{
	const size_t count = checkpoint->shards.shard_count;
	ps_digest *digest = ps_digest_create();
	ps_known_file *files = calloc(count, sizeof *files);
	int rc = digest && files ? digest_shards(checkpoint, context, files, diag)
				 : ps_fail(diag, PS_EBUDGET, "%s: no memory for its digest",
					   checkpoint->path);

	if (!rc) {
		if (checkpoint->form != PS_MODEL_GGUF)
			ps_digest_add(digest, checkpoint->config_text, checkpoint->config_length);
		for (size_t i = 0; i < count; i++)
			ps_digest_add(digest, &files[i].digest, sizeof files[i].digest);
		*value = ps_digest_value(digest);
	}
	ps_digest_destroy(digest);
	free(files);
	return rc;
}

/* --- views --- */

static ps_weight mapped_view(const ps_located *located)
{
	return ps_located_view(located, 0, (size_t)located->info->shape[0],
			       ps_tensor_file_data(located->file, located->info));
}

int ps_checkpoint_projection(ps_checkpoint *checkpoint, int layer, ps_projection projection,
			     ps_weight *out, ps_diag *diag)
{
	if (layer < 0 || (size_t)layer >= checkpoint->config.layers)
		return ps_fail(diag, PS_EINPUT, "%s: has no layer %d (0 to %zu)", checkpoint->path,
			       layer, checkpoint->config.layers - 1);
	*out = mapped_view(ps_model_map_layer(&checkpoint->map, layer) + projection);
	return 0;
}

int ps_checkpoint_embedding(ps_checkpoint *checkpoint, ps_weight *out, ps_diag *diag)
{
	(void)diag;
	*out = mapped_view(&checkpoint->map.embedding);
	return 0;
}

/* Weight number i of those that the map has. */
static const ps_located *find_weight(const ps_checkpoint *checkpoint, size_t i, char *name)
{
	const ps_model_map *map = &checkpoint->map;
	const struct {
		const char *name;
		const ps_located *located;
	} ends[] = {{"model.embed_tokens.weight", &map->embedding},
		    {"model.norm.weight", &map->final_norm},
		    {"lm_head.weight", &map->head}};
	const size_t layers = checkpoint->config.layers;

	for (size_t t = 0; t < layers * (size_t)PS_LAYER_TENSORS; t++) {
		const size_t layer = t / (size_t)PS_LAYER_TENSORS;

		if (map->layers[t].file && !i--) {
			(void)ps_layer_tensor_name(&checkpoint->config, (int)layer,
						   (int)(t % (size_t)PS_LAYER_TENSORS), name);
			return &map->layers[t];
		}
	}
	(void)snprintf(name, PS_WEIGHT_NAME, "%s", ends[i].name);
	return ends[i].located;
}

size_t ps_checkpoint_weight_count(const ps_checkpoint *checkpoint)
{
	const ps_model_map *map = &checkpoint->map;
	size_t count = map->head.info == map->embedding.info ? 2 : 3;

	for (size_t t = 0; t < checkpoint->config.layers * (size_t)PS_LAYER_TENSORS; t++)
		count += map->layers[t].file != NULL;
	return count;
}

int ps_checkpoint_weight(const ps_checkpoint *checkpoint, size_t i, char *name, ps_weight *out)
{
	const ps_located *located = find_weight(checkpoint, i, name);
	const size_t rows = located->info->rank == 1 ? 1 : (size_t)located->info->shape[0];

	*out = ps_located_view(located, 0, rows, ps_tensor_file_data(located->file, located->info));
	return located->info->rank;
}

/* --- streaming --- */

size_t ps_checkpoint_stream_bytes(const ps_checkpoint *checkpoint, const ps_stream_options *options)
{
	return ps_weight_stream_bytes(&checkpoint->map, &checkpoint->config, options);
}

int ps_checkpoint_stream(ps_checkpoint *checkpoint, const ps_stream_options *stream,
			 ps_arena *arena, ps_weight_source *source, ps_diag *diag)
{
	const ps_weight_stream_options options = {
		.map = &checkpoint->map,
		.config = &checkpoint->config,
		.sys = checkpoint->sys,
		.ring = &ps_ring_linux,
		.stream = *stream,
	};

	ps_weight_stream_destroy(checkpoint->stream);
	checkpoint->stream = NULL;
	return ps_weight_stream_create(&checkpoint->stream, &options, arena, source, diag);
}

const char *ps_checkpoint_backend(const ps_checkpoint *checkpoint)
{
	return checkpoint->stream ? ps_weight_stream_backend(checkpoint->stream) : "none";
}
