#include "io/model_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"

#define MODEL "model."
#define HEAD "lm_head.weight"
#define EMBEDDING "model.embed_tokens.weight"
#define FINAL_NORM "model.norm.weight"

/* The prefixes of the decoder's tensors and of the head in a file: of a text model, of a model with
 * a vision tower as first published, and of such a model as transformers 5 saves it. */
static const struct {
	const char *model, *head;
} prefixes[PS_PREFIXES] = {
	{MODEL, ""}, {"language_model.model.", "language_model."}, {"model.language_model.", ""}};

char *ps_prefixed_name(int prefix, const char *name, char *out)
{
	if (!strncmp(name, MODEL, strlen(MODEL)))
		snprintf(out, PS_NAME_MAX, "%s%s", prefixes[prefix].model, name + strlen(MODEL));
	else
		snprintf(out, PS_NAME_MAX, "%s%s", prefixes[prefix].head, name);
	return out;
}

void ps_layer_tensor_shape(const ps_model_config *config, int tensor, size_t *rows, size_t *cols)
{
	if (tensor < (int)PS_PROJECTIONS) {
		ps_projection_shape(config, (ps_projection)tensor, rows, cols);
		return;
	}
	*rows = 1;
	*cols = ps_norm_length(config, (ps_norm)(tensor - (int)PS_PROJECTIONS));
}

char *ps_layer_tensor_name(const ps_model_config *config, int layer, int tensor, char *out)
{
	if (tensor < (int)PS_PROJECTIONS)
		return ps_projection_tensor(layer, (ps_projection)tensor, out);
	return ps_norm_tensor(config->family, layer, (ps_norm)(tensor - (int)PS_PROJECTIONS), out);
}

struct builder {
	ps_model_map *map;
	const ps_shard_set *set;
	const ps_model_config *config;
	const char *folder;
	int prefix;
	ps_diag *diag;
};

/* Finds the prefix that this checkpoint uses: that of its embedding. */
static int choose_prefix(struct builder *b)
{
	char name[PS_NAME_MAX];
	int found = -1;

	for (int i = 0; i < PS_PREFIXES; i++) {
		if (!ps_shard_set_find(b->set, ps_prefixed_name(i, EMBEDDING, name)))
			continue;
		if (found >= 0)
			return ps_fail(b->diag, PS_EINPUT,
				       "%s: holds several token embeddings, %s among them",
				       b->folder, name);
		found = i;
	}
	if (found < 0)
		return ps_fail(b->diag, PS_EINPUT, "%s: tensor " EMBEDDING " is missing",
			       b->folder);
	b->prefix = found;
	return 0;
}

/* Finds and checks the tensor of that name. A vector has rank 1 and rows 1. */
static int locate(struct builder *b, const char *name, int rank, size_t rows, size_t cols,
		  ps_located *out)
{
	const uint64_t vector[1] = {cols}, matrix[2] = {rows, cols};
	char full[PS_NAME_MAX];
	const ps_located *found =
		ps_shard_set_find(b->set, ps_prefixed_name(b->prefix, name, full));
	int dtype = found ? found->info->dtype : -1, rc;
	const ps_tensor_info *info;

	if (!found)
		return ps_fail(b->diag, PS_EINPUT, "%s: tensor %s is missing", b->folder, full);
	if (dtype != (int)PS_BF16 && dtype != (int)PS_F16 && dtype != (int)PS_F32)
		return ps_fail(b->diag, PS_EINPUT,
			       "%s: tensor %s is %s; BF16, F16 or F32 is expected",
			       found->file->path, full, found->info->dtype_name);
	rc = ps_safetensors_expect(found->file, full, dtype, rank, rank == 1 ? vector : matrix,
				   &info, b->diag);
	if (rc)
		return rc;
	*out = *found;
	b->map->bytes += info->bytes;
	return 0;
}

static int locate_layers(struct builder *b)
{
	const ps_model_config *config = b->config;
	char name[96];

	for (int layer = 0; layer < (int)config->layers; layer++)
		for (int t = 0; t < PS_LAYER_TENSORS; t++) {
			size_t at = (size_t)layer * (size_t)PS_LAYER_TENSORS + (size_t)t, rows,
			       cols;
			int rc;

			if (!ps_layer_tensor_name(config, layer, t, name))
				continue;
			ps_layer_tensor_shape(config, t, &rows, &cols);
			rc = locate(b, name, t < (int)PS_PROJECTIONS ? 2 : 1, rows, cols,
				    &b->map->layers[at]);
			if (rc)
				return rc;
		}
	return 0;
}

static int locate_ends(struct builder *b)
{
	const ps_model_config *config = b->config;
	char head[PS_NAME_MAX];
	int rc = locate(b, EMBEDDING, 2, config->vocab, config->width, &b->map->embedding);

	if (!rc)
		rc = locate(b, FINAL_NORM, 1, 1, config->width, &b->map->final_norm);
	if (rc)
		return rc;
	/* A head in the file counts even if the config ties it to the embedding: transformers keeps
	 * the two apart if they differ. */
	if (config->tied && !ps_shard_set_find(b->set, ps_prefixed_name(b->prefix, HEAD, head))) {
		b->map->head = b->map->embedding;
		return 0;
	}
	return locate(b, HEAD, 2, config->vocab, config->width, &b->map->head);
}

/* Checks that a layer of this family has such a tensor. rest: its name after "layers.". */
static int check_layer_tensor(const struct builder *b, const ps_located *located, const char *rest)
{
	/* Llama checkpoints of 2023 hold this constant. The config gives it as well. */
	static const char constant[] = ".self_attn.rotary_emb.inv_freq";
	const char *name = located->info->name, *path = located->file->path, *suffix;
	char *end, known[96], full[PS_NAME_MAX];
	unsigned long layer = strtoul(rest, &end, 10);

	if (rest[0] < '0' || rest[0] > '9' || *end != '.')
		return ps_fail(b->diag, PS_EINPUT, "%s: tensor %s belongs to no layer", path, name);
	if (layer >= b->config->layers)
		return ps_fail(b->diag, PS_EINPUT,
			       "%s: tensor %s is beyond the %zu layers of config.json", path, name,
			       b->config->layers);
	for (int t = 0; t < PS_LAYER_TENSORS; t++)
		if (ps_layer_tensor_name(b->config, (int)layer, t, known) &&
		    !strcmp(ps_prefixed_name(b->prefix, known, full), name))
			return 0;
	if (!strcmp(end, constant))
		return 0;
	suffix = strrchr(name, '.');
	if (!strcmp(suffix, ".bias"))
		return ps_fail(b->diag, PS_EINPUT,
			       "%s: tensor %s is a bias, which is not supported", path, name);
	return ps_fail(b->diag, PS_EINPUT,
		       "%s: tensor %s is unknown in a %s decoder layer, which is not supported",
		       path, name, ps_family_name(b->config->family));
}

static int check_unknown(const struct builder *b)
{
	char start[PS_NAME_MAX];
	size_t length;

	length = strlen(ps_prefixed_name(b->prefix, MODEL "layers.", start));
	for (size_t i = 0; i < b->set->tensor_count; i++) {
		const ps_located *located = &b->set->tensors[i];
		int rc;

		if (strncmp(located->info->name, start, length))
			continue;
		rc = check_layer_tensor(b, located, located->info->name + length);
		if (rc)
			return rc;
	}
	return 0;
}

int ps_model_map_build(ps_model_map *map, const ps_shard_set *set, const ps_model_config *config,
		       const char *folder, ps_diag *diag)
{
	struct builder b = {
		.map = map, .set = set, .config = config, .folder = folder, .diag = diag};
	int rc;

	*map = (ps_model_map){
		.set = set,
		.layers = calloc(config->layers, (size_t)PS_LAYER_TENSORS * sizeof(ps_located))};
	if (!map->layers)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for the list of its tensors",
			       folder);
	rc = choose_prefix(&b);
	if (!rc)
		rc = locate_ends(&b);
	if (!rc)
		rc = check_unknown(&b);
	if (!rc)
		rc = locate_layers(&b);
	if (rc)
		ps_model_map_free(map);
	return rc;
}

void ps_model_map_free(ps_model_map *map)
{
	free(map->layers);
	*map = (ps_model_map){0};
}
