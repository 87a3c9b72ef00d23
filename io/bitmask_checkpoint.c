#include "io/bitmask_checkpoint.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/known_digest.h"
#include "io/model_map.h"

#define CONFIG_BYTES_MAX ((size_t)16 << 20)

/* The four tensors of a weight. */
struct compressed {
	ps_located values, bits, shape, offsets;
	uint64_t kept; /* in the rows that were read */
};

struct bitmask {
	ps_shard_set set;
	ps_mask_entry *entries; /* (count), in the model's order; index: in weights */
	struct compressed *weights;
	size_t count;
	json_t *manifest; /* NULL: of another tool */
};

/* --- config.json --- */

static int read_config(const ps_sys *sys, const char *folder, json_t **config, ps_diag *diag)
{
	char path[PATH_MAX];

	*config = NULL;
	if (snprintf(path, sizeof path, "%s/config.json", folder) >= (int)sizeof path ||
	    !ps_file_is_there(path))
		return 0;
	return ps_file_read_json(sys, path, CONFIG_BYTES_MAX, config, diag);
}

/* The compression entry; NULL: there is none. */
static const json_t *entry_of(const json_t *config)
{
	const json_t *entry = json_object_get(config, "quantization_config");

	return entry ? entry : json_object_get(config, "compression_config");
}

static const char *format_of(const json_t *config)
{
	const json_t *sparsity = json_object_get(entry_of(config), "sparsity_config");
	const char *format = json_string_value(json_object_get(sparsity, "format"));

	return format ? format : "";
}

int ps_bitmask_checkpoint_is(const ps_sys *sys, const char *folder, bool *is, ps_diag *diag)
{
	json_t *config;
	int rc = read_config(sys, folder, &config, diag);

	*is = !rc && !strncmp(format_of(config), "sparse-", 7);
	json_decref(config);
	return rc;
}

static int check_config(const ps_sys *sys, const char *folder, ps_diag *diag)
{
	json_t *config;
	int rc = read_config(sys, folder, &config, diag);

	if (!rc && strcmp(format_of(config), "sparse-bitmask") != 0)
		rc = ps_fail(diag, PS_EINPUT,
			     "%s/config.json: sparsity_config: format \"%.60s\" is not supported "
			     "(\"sparse-bitmask\" is)",
			     folder, format_of(config));
	if (!rc && json_object_size(json_object_get(entry_of(config), "config_groups")))
		rc = ps_fail(
			diag, PS_EINPUT,
			"%s/config.json: config_groups: weights that are quantized as well are "
			"not supported",
			folder);
	json_decref(config);
	return rc;
}

/* --- the four tensors --- */

static int find_part(const struct bitmask *b, const char *base, const char *part, ps_located *out,
		     ps_diag *diag)
{
	char name[PS_NAME_MAX + 32];
	const ps_located *found;

	snprintf(name, sizeof name, "%s.%s", base, part);
	found = ps_shard_set_find(&b->set, name);
	if (!found)
		return ps_fail(diag, PS_EINPUT, "%s.bitmask is there, and %s is not", base, name);
	*out = *found;
	return 0;
}

/* A whole number of a tensor of I64. */
static int64_t number_at(const ps_located *tensor, size_t index)
{
	int64_t value;

	memcpy(&value,
	       (const char *)ps_safetensors_data(tensor->file, tensor->info) + index * sizeof value,
	       sizeof value);
	return value;
}

static int expect(const ps_located *t, int dtype, int rank, const uint64_t *shape, ps_diag *diag)
{
	return ps_tensor_check(t->file->path, t->info, t->info->name, dtype, rank, shape, diag);
}

static int check_shape(const struct compressed *w, ps_edit_matrix *m, ps_diag *diag)
{
	const uint64_t two[1] = {2};
	int64_t rows, cols;
	int rc = expect(&w->shape, PS_I64, 1, two, diag);

	if (rc)
		return rc;
	rows = number_at(&w->shape, 0);
	cols = number_at(&w->shape, 1);
	if (rows < 1 || rows > INT32_MAX || cols < 1 || cols > INT32_MAX ||
	    (m->rows && ((size_t)rows != m->rows || (size_t)cols != m->cols)))
		return ps_fail(diag, PS_EINPUT, "%s: tensor %s says [%" PRId64 ", %" PRId64 "]%s",
			       w->shape.file->path, w->shape.info->name, rows, cols,
			       m->rows ? ", which is not the model's shape" : "");
	m->rows = (size_t)rows;
	m->cols = (size_t)cols;
	return 0;
}

static int check_weight(const struct compressed *w, ps_edit_matrix *m, ps_diag *diag)
{
	const int dtype = w->values.info->dtype;
	uint64_t shape[2];
	int rc = check_shape(w, m, diag);

	shape[0] = m->rows;
	shape[1] = ps_bitmap_row_bytes(m->cols);
	if (!rc)
		rc = expect(&w->bits, PS_U8, 2, shape, diag);
	if (!rc)
		rc = expect(&w->offsets, PS_I64, 1, shape, diag);
	if (!rc && dtype != PS_BF16 && dtype != PS_F16 && dtype != PS_F32)
		rc = ps_fail(diag, PS_EINPUT, "%s: tensor %s is %s: BF16, F16 or F32 is expected",
			     w->values.file->path, w->values.info->name,
			     w->values.info->dtype_name);
	return rc ? rc : expect(&w->values, dtype, 1, NULL, diag);
}

/* --- opening --- */

/* Adds a weight by its bitmask, if it is a projection. */
static int add_weight(struct bitmask *b, const ps_located *bits, const ps_model_config *config,
		      ps_diag *diag)
{
	const size_t length = strlen(bits->info->name), end = strlen(".bitmask");
	struct compressed *w = &b->weights[b->count];
	ps_mask_entry *e = &b->entries[b->count];
	char base[PS_NAME_MAX];
	int rc;

	if (length - end >= sizeof base)
		return 0;
	memcpy(base, bits->info->name, length - end);
	base[length - end] = 0;
	rc = ps_mask_entry_parse(e, "", base, config, NULL);
	if (rc)
		return rc == PS_EINPUT ? 0 : rc;
	w->bits = *bits;
	rc = find_part(b, base, "compressed", &w->values, diag);
	if (!rc)
		rc = find_part(b, base, "shape", &w->shape, diag);
	if (!rc)
		rc = find_part(b, base, "row_offsets", &w->offsets, diag);
	if (!rc)
		rc = check_weight(w, &e->matrix, diag);
	e->index = b->count++;
	return rc;
}

static int list_weights(struct bitmask *b, const ps_model_config *config, ps_diag *diag)
{
	int rc = 0;

	b->entries = calloc(b->set.tensor_count + 1, sizeof *b->entries);
	b->weights = calloc(b->set.tensor_count + 1, sizeof *b->weights);
	if (!b->entries || !b->weights)
		return ps_fail(diag, PS_EBUDGET, "no memory for %zu tensors", b->set.tensor_count);
	for (size_t i = 0; i < b->set.tensor_count && !rc; i++) {
		const char *name = b->set.tensors[i].info->name;
		const size_t length = strlen(name), end = strlen(".bitmask");

		if (length > end && !strcmp(name + length - end, ".bitmask"))
			rc = add_weight(b, &b->set.tensors[i], config, diag);
	}
	return rc;
}

/* Adds a file of the folder to the digest. One that we wrote must be as the manifest says. */
static int add_digest(const struct bitmask *b, const ps_sys *sys, const char *path,
		      const ps_context *context, uint64_t *digest, ps_diag *diag)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char folder[PATH_MAX];
	uint64_t pair[2] = {*digest}, bytes;
	int rc = ps_known_digest(sys, path, context, true, &bytes, &pair[1], diag);

	snprintf(folder, sizeof folder, "%.*s", (int)(name - path), path);
	if (!rc && b->manifest)
		rc = ps_folder_compare(b->manifest, folder, name, bytes, pair[1], diag);
	*digest = ps_digest_of(pair, sizeof pair);
	return rc;
}

static int digest_files(struct bitmask *b, const ps_sys *sys, const char *folder,
			const ps_context *context, uint64_t *digest, ps_diag *diag)
{
	char path[PATH_MAX];
	int rc = ps_folder_read_manifest(sys, folder, &b->manifest, diag);

	snprintf(path, sizeof path, "%s/config.json", folder);
	*digest = 0;
	if (!rc)
		rc = add_digest(b, sys, path, context, digest, diag);
	for (size_t i = 0; i < b->set.shard_count && !rc; i++)
		rc = add_digest(b, sys, b->set.shards[i].path, context, digest, diag);
	return rc;
}

/* --- reading --- */

static int refuse_row(const struct compressed *w, size_t row, const char *what, ps_diag *diag)
{
	return ps_fail(diag, PS_EINPUT, "%s: tensor %s: row %zu %s (offset %" PRIu64 ")",
		       w->bits.file->path, w->bits.info->name, row, what,
		       w->bits.info->offset + row * w->bits.info->shape[1]);
}

/* A row's padding, and where its weights begin. */
static int check_row(struct compressed *w, const ps_edit_matrix *m, size_t row, const uint8_t *bits,
		     ps_diag *diag)
{
	const size_t row_bytes = ps_bitmap_row_bytes(m->cols);

	if (m->cols % 8 && bits[row_bytes - 1] >> m->cols % 8)
		return refuse_row(w, row, "has padding bits that are set", diag);
	if (number_at(&w->offsets, row) < 0 || (uint64_t)number_at(&w->offsets, row) != w->kept)
		return refuse_row(w, row, "does not begin where .row_offsets says", diag);
	w->kept += ps_bitmap_count(bits, 1, m->cols);
	return 0;
}

static int read_rows(void *self, size_t matrix, size_t first, size_t rows, uint8_t *bits,
		     ps_diag *diag)
{
	struct bitmask *b = self;
	const ps_mask_entry *e = &b->entries[matrix];
	struct compressed *w = &b->weights[e->index];
	const size_t row_bytes = ps_bitmap_row_bytes(e->matrix.cols);
	int rc = 0;

	memcpy(bits,
	       (const char *)ps_safetensors_data(w->bits.file, w->bits.info) + first * row_bytes,
	       rows * row_bytes);
	if (!first)
		w->kept = 0;
	for (size_t r = 0; r < rows && !rc; r++)
		rc = check_row(w, &e->matrix, first + r, bits + r * row_bytes, diag);
	if (!rc && first + rows == e->matrix.rows && w->kept != w->values.info->shape[0])
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: tensor %s holds %" PRIu64 " weights, the bitmask keeps %" PRIu64,
			     w->values.file->path, w->values.info->name, w->values.info->shape[0],
			     w->kept);
	return rc;
}

static void close_bitmask(void *self)
{
	struct bitmask *b = self;

	ps_shard_set_close(&b->set);
	free(b->entries);
	free(b->weights);
	json_decref(b->manifest);
	free(b);
}

int ps_bitmask_checkpoint_open(ps_mask_source *source, const ps_sys *sys, const char *folder,
			       const ps_model_config *config, const ps_context *context,
			       ps_diag *diag)
{
	struct bitmask *b = calloc(1, sizeof *b);
	int rc;

	*source = (ps_mask_source){.self = b, .read = read_rows, .close = b ? close_bitmask : NULL};
	if (!b)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory", folder);
	rc = check_config(sys, folder, diag);
	if (!rc)
		rc = ps_shard_set_open(&b->set, sys, folder, diag);
	if (!rc)
		rc = list_weights(b, config, diag);
	if (!rc)
		rc = ps_mask_source_list(source, folder, b->entries, b->count, diag);
	if (!rc)
		rc = digest_files(b, sys, folder, context, &source->digest, diag);
	source->about = b->manifest;
	source->verified = b->manifest;
	if (rc)
		ps_mask_source_close(source);
	return rc;
}
