#include "io/model_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "io/foreign_tensor.h"
#include "io/gguf_names.h"

#define MODEL "model."
#define HEAD "lm_head.weight"
#define EMBEDDING "model.embed_tokens.weight"
#define FINAL_NORM "model.norm.weight"

#define ROPE_FACTORS "rope_freqs.weight" /* of GGUF; io/gguf_config.c reads it */

/* How the decoder's tensors and the head are named in a file: with prefixes, or as in GGUF. */
static const struct {
	enum { HUB, GGUF_GEMMA, GGUF_LLAMA } names;
	const char *model, *head;
} prefixes[PS_PREFIXES] = {
	{HUB, MODEL, ""}, /* a text model with its head */
	/* with a vision tower, as first published */
	{HUB, "language_model.model.", "language_model."},
	{HUB, "model.language_model.", ""}, /* the same as transformers 5 saves it */
	{HUB, "", ""},                      /* AutoModel: the decoder alone */
	{HUB, "language_model.", ""},       /* AutoModel with a vision tower */
	{GGUF_GEMMA, "", ""},
	{GGUF_LLAMA, "", ""},
};

static bool is_gguf(int prefix)
{
	return prefixes[prefix].names != HUB;
}

char *ps_prefixed_name(int prefix, const char *name, char *out)
{
	if (is_gguf(prefix))
		ps_gguf_tensor_name(prefixes[prefix].names == GGUF_LLAMA, name, out, PS_NAME_MAX);
	else if (!strncmp(name, MODEL, strlen(MODEL)))
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

ps_weight ps_located_view(const ps_located *tensor, size_t first, size_t rows, const void *data)
{
	const ps_tensor_info *info = tensor->info;
	const size_t cols = (size_t)info->shape[info->rank - 1];

	return (ps_weight){
		.data = data,
		.dtype = (ps_dtype)info->dtype,
		.rows = rows,
		.cols = cols,
		.paired_rows = tensor->paired_rows,
		.plus_one = tensor->plus_one,
		.place = {.path = tensor->file->path,
			  .tensor = info->name,
			  .offset = info->offset +
				    (uint64_t)first * ps_dtype_bytes((ps_dtype)info->dtype, cols),
			  .first_row = first},
	};
}

int ps_located_widen(const ps_located *tensor, size_t row, const void *data, float *out,
		     ps_diag *diag)
{
	const ps_weight view = ps_located_view(tensor, row, 1, data);

	ps_weight_decode(&view, 0, 0, view.cols, out);
	return ps_all_finite(out, view.cols) ? 0 : ps_weight_check_finite(&view, diag);
}

char *ps_layer_tensor_name(const ps_model_config *config, int layer, int tensor, char *out)
{
	if (tensor < (int)PS_PROJECTIONS)
		return ps_projection_tensor(layer, (ps_projection)tensor, out);
	return ps_norm_tensor(config->family, layer, (ps_norm)(tensor - (int)PS_PROJECTIONS), out);
}

bool ps_projection_of(const ps_model_config *config, int prefix, const char *name, int *layer,
		      ps_projection *projection)
{
	const char *number = strstr(name, "layers.");
	char known[96], full[PS_NAME_MAX];
	unsigned long value;

	number = number ? number + strlen("layers.")
			: (strncmp(name, "blk.", strlen("blk.")) ? NULL : name + strlen("blk."));
	if (!number)
		return false;
	value = strtoul(number, NULL, 10);
	if (value >= config->layers)
		return false;
	*layer = (int)value;
	for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
		*projection = (ps_projection)p;
		ps_projection_tensor(*layer, *projection, known);
		for (int i = 0; i < PS_PREFIXES; i++)
			if ((prefix < 0 || prefix == i) &&
			    !strcmp(name, ps_prefixed_name(i, known, full)))
				return true;
	}
	return false;
}

struct builder {
	ps_model_map *map;
	const ps_shard_set *set;
	const ps_model_config *config;
	const char *folder;
	int prefix;
	ps_diag *diag;
};

static bool is_embedding(const char *name)
{
	static const char end[] = ".embed_tokens.weight";
	size_t length = strlen(name), n = sizeof end - 1;

	return length > n && !strcmp(name + length - n, end);
}

/* Says what the file has instead: an embedding of another prefix, or tensors of another kind. */
static int refuse_prefix(const struct builder *b)
{
	const char *name = NULL, *kind = NULL;

	for (size_t i = 0; i < b->set->tensor_count && !name; i++)
		if (is_embedding(b->set->tensors[i].info->name))
			name = b->set->tensors[i].info->name;
	if (name)
		return ps_fail(b->diag, PS_EINPUT,
			       "%s: tensor " EMBEDDING " is missing; the prefix of %.120s is not "
			       "supported",
			       b->folder, name);
	for (size_t i = 0; i < b->set->tensor_count && !kind; i++) {
		name = b->set->tensors[i].info->name;
		kind = ps_foreign_kind(name);
	}
	if (kind)
		return ps_fail(b->diag, PS_EINPUT,
			       "%s: tensor " EMBEDDING " is missing; %.120s is %s", b->folder, name,
			       kind);
	return ps_fail(b->diag, PS_EINPUT, "%s: tensor " EMBEDDING " is missing", b->folder);
}

/* GGUF names the norms of Llama otherwise than those of Gemma. */
static bool is_of_family(const struct builder *b, int prefix)
{
	return !is_gguf(prefix) ||
	       (prefixes[prefix].names == GGUF_LLAMA) == (b->config->family == PS_FAMILY_LLAMA);
}

/* Finds the prefix that this checkpoint uses: that of its embedding. */
static int choose_prefix(struct builder *b)
{
	char name[PS_NAME_MAX];
	int found = -1;

	for (int i = 0; i < PS_PREFIXES; i++) {
		if (!is_of_family(b, i) ||
		    !ps_shard_set_find(b->set, ps_prefixed_name(i, EMBEDDING, name)))
			continue;
		if (found >= 0)
			return ps_fail(b->diag, PS_EINPUT,
				       "%s: holds several token embeddings, %s among them",
				       b->folder, name);
		found = i;
	}
	if (found < 0)
		return refuse_prefix(b);
	b->map->prefix = b->prefix = found;
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

	if (!found)
		return ps_fail(b->diag, PS_EINPUT, "%s: tensor %s is missing", b->folder, full);
	if (dtype < 0 || !ps_dtype_is_weight((ps_dtype)dtype))
		return ps_fail(b->diag, PS_EINPUT,
			       "%s: tensor %s is %s; BF16, F16 or F32 is expected",
			       found->file->path, full, found->info->dtype_name);
	rc = ps_tensor_check(found->file->path, found->info, full, dtype, rank,
			     rank == 1 ? vector : matrix, b->diag);
	if (rc)
		return rc;
	*out = *found;
	b->map->bytes += found->info->bytes;
	return 0;
}

/* Notes in which form a GGUF file stores a layer's tensor, or the final norm (PS_NORM_INPUT). */
static void note_form(const struct builder *b, int tensor, ps_located *located)
{
	const bool llama = b->config->family == PS_FAMILY_LLAMA;

	if (!is_gguf(b->prefix))
		return;
	if (llama && (tensor == PS_Q || tensor == PS_K))
		located->paired_rows = b->config->head_width;
	if (!llama && tensor >= (int)PS_PROJECTIONS)
		located->plus_one = true;
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
			note_form(b, t, &b->map->layers[at]);
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
	note_form(b, (int)PS_PROJECTIONS + (int)PS_NORM_INPUT, &b->map->final_norm);
	/* A head in the file counts even if the config ties it to the embedding: transformers keeps
	 * the two apart if they differ. */
	if (ps_shard_set_find(b->set, ps_prefixed_name(b->prefix, HEAD, head)))
		return locate(b, HEAD, 2, config->vocab, config->width, &b->map->head);
	b->map->head = b->map->embedding;
	b->map->headless = !config->tied;
	return 0;
}

static int refuse_tensor(const struct builder *b, const ps_located *located)
{
	const char *name = located->info->name, *path = located->file->path,
		   *kind = ps_foreign_kind(name);

	if (kind)
		return ps_fail(b->diag, PS_EINPUT, "%s: tensor %s is %s, which is not supported",
			       path, name, kind);
	return ps_fail(b->diag, PS_EINPUT,
		       "%s: tensor %s is unknown in a %s model, and may change what it computes",
		       path, name, ps_family_name(b->config->family));
}

/* Checks that a layer of this family has such a tensor. rest: its name after "layers.". */
static int check_layer_tensor(const struct builder *b, const ps_located *located, const char *rest)
{
	const char *name = located->info->name, *path = located->file->path;
	char *end, known[96], full[PS_NAME_MAX];
	unsigned long layer = strtoul(rest, &end, 10);

	if (rest[0] < '0' || rest[0] > '9' || *end != '.')
		return ps_fail(b->diag, PS_EINPUT, "%s: tensor %s belongs to no layer", path, name);
	if (layer >= b->config->layers)
		return ps_fail(b->diag, PS_EINPUT,
			       "%s: tensor %s is beyond the %zu layers of the config", path, name,
			       b->config->layers);
	for (int t = 0; t < PS_LAYER_TENSORS; t++)
		if (ps_layer_tensor_name(b->config, (int)layer, t, known) &&
		    !strcmp(ps_prefixed_name(b->prefix, known, full), name))
			return 0;
	return ps_foreign_is_unread(located->info) ? 0 : refuse_tensor(b, located);
}

static const char *const ends[] = {EMBEDDING, FINAL_NORM, HEAD};

/* Whether the tensor belongs to the embedding, the final norm or the head, and is not its weight:
 * a bias of the head, scales of the embedding. */
static bool is_beside_an_end(const struct builder *b, const char *name)
{
	char full[PS_NAME_MAX];

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t stem = strlen(ps_prefixed_name(b->prefix, ends[i], full)) - strlen("weight");

		if (!strncmp(name, full, stem) && strcmp(name, full))
			return true;
	}
	return false;
}

/* Whether the tensor is the embedding, the final norm or the head. */
static bool is_end(const struct builder *b, const char *name)
{
	char full[PS_NAME_MAX];

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (!strcmp(name, ps_prefixed_name(b->prefix, ends[i], full)))
			return true;
	return false;
}

/* An adapter may stand under any prefix. */
static bool is_adapter(const char *name)
{
	return strstr(name, ".lora_") || strstr(name, ".base_layer.") ||
	       !strncmp(name, "base_model.", strlen("base_model."));
}

static int check_unknown(const struct builder *b)
{
	char start[PS_NAME_MAX];
	size_t length;

	length = strlen(ps_prefixed_name(b->prefix, MODEL "layers.", start));
	for (size_t i = 0; i < b->set->tensor_count; i++) {
		const ps_located *located = &b->set->tensors[i];
		const char *name = located->info->name;
		int rc = 0;

		if (!strncmp(name, start, length))
			rc = check_layer_tensor(b, located, name + length);
		else if (is_adapter(name) || is_beside_an_end(b, name) ||
			 (is_gguf(b->prefix) && !is_end(b, name) && strcmp(name, ROPE_FACTORS)))
			rc = refuse_tensor(b, located);
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
