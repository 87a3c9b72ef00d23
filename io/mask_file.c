#include "io/mask_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "io/model_map.h"

/* The weight that a tensor's name means, under any of the prefixes. */
static bool parse_name(const char *name, const ps_model_config *config, int *layer,
		       ps_projection *projection)
{
	const char *number = strstr(name, "layers.");
	char known[96], full[PS_NAME_MAX];
	unsigned long value;

	if (!number)
		return false;
	value = strtoul(number + strlen("layers."), NULL, 10);
	if (value >= config->layers)
		return false;
	*layer = (int)value;
	for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
		*projection = (ps_projection)p;
		ps_projection_tensor(*layer, *projection, known);
		for (int prefix = 0; prefix < PS_PREFIXES; prefix++)
			if (!strcmp(name, ps_prefixed_name(prefix, known, full)))
				return true;
	}
	return false;
}

static const ps_tensor_info *find(const ps_mask_file *mask, int layer, ps_projection projection)
{
	const ps_tensor_info *info = NULL;
	char known[96], full[PS_NAME_MAX];

	ps_projection_tensor(layer, projection, known);
	for (int prefix = 0; prefix < PS_PREFIXES && !info; prefix++)
		info = ps_safetensors_find(&mask->file, ps_prefixed_name(prefix, known, full));
	return info;
}

/* --- checks --- */

static int check_padding(const ps_mask_file *mask, const ps_tensor_info *info, size_t rows,
			 size_t cols, ps_diag *diag)
{
	const uint8_t *bits = ps_safetensors_data(&mask->file, info);
	size_t row_bytes = ps_bitmap_row_bytes(cols);
	uint8_t padding = (uint8_t)(cols % 8 ? 0xffu << cols % 8 : 0);

	for (size_t r = 0; padding && r < rows; r++) {
		size_t last = r * row_bytes + row_bytes - 1;

		if (bits[last] & padding)
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s: padding bits are set at offset %" PRIu64,
				       mask->file.path, info->name, info->offset + last);
	}
	return 0;
}

/* The logical shape in the metadata, where it is told. */
static int check_noted_shape(const ps_mask_file *mask, const char *name, size_t rows, size_t cols,
			     ps_diag *diag)
{
	const json_t *note = json_object_get(json_object_get(mask->file.metadata, "tensors"), name);
	const json_t *noted_rows = json_object_get(note, "rows"),
		     *noted_cols = json_object_get(note, "cols");

	if (!note)
		return 0;
	if (json_is_integer(noted_rows) && json_is_integer(noted_cols) &&
	    json_integer_value(noted_rows) == (json_int_t)rows &&
	    json_integer_value(noted_cols) == (json_int_t)cols)
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: tensor %s: the metadata's shape is not [%zu, %zu]: the mask belongs to "
		       "another model",
		       mask->file.path, name, rows, cols);
}

static int check_tensor(const ps_mask_file *mask, const ps_tensor_info *info,
			const ps_model_config *config, ps_diag *diag)
{
	ps_projection projection;
	size_t rows, cols;
	int layer;

	if (!parse_name(info->name, config, &layer, &projection))
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s is no projection of this model: the mask belongs to "
			       "another model",
			       mask->file.path, info->name);
	if (find(mask, layer, projection) != info)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s stands for a weight that has another mask too",
			       mask->file.path, info->name);
	ps_projection_shape(config, projection, &rows, &cols);
	if (info->dtype != (int)PS_U8 || info->rank != 2 || info->shape[0] != rows ||
	    info->shape[1] != ps_bitmap_row_bytes(cols))
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: U8 [%zu, %zu] is expected: the mask belongs to "
			       "another model",
			       mask->file.path, info->name, rows, ps_bitmap_row_bytes(cols));
	if (check_noted_shape(mask, info->name, rows, cols, diag))
		return PS_EINPUT;
	return check_padding(mask, info, rows, cols, diag);
}

static int check_kind(const ps_mask_file *mask, ps_diag *diag)
{
	const json_t *kind = json_object_get(mask->file.metadata, "kind");

	if (!kind || (json_is_string(kind) && !strcmp(json_string_value(kind), "mask")))
		return 0;
	return ps_fail(diag, PS_EINPUT, "%s: is not a mask (kind %s)", mask->file.path,
		       json_is_string(kind) ? json_string_value(kind) : "unknown");
}

/* The digest of the model that the mask was made from, where it is told. */
static int check_model(const ps_mask_file *mask, uint64_t model_digest, ps_diag *diag)
{
	const json_t *inputs =
		json_object_get(json_object_get(mask->file.metadata, "provenance"), "inputs");
	const json_t *model = json_object_get(inputs, "model");
	char want[PS_DIGEST_TEXT];

	if (!model)
		return 0;
	ps_digest_format(model_digest, want);
	if (json_is_string(model) && !strcmp(json_string_value(model), want))
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: the mask belongs to another model (made from %s, this one is %s)",
		       mask->file.path,
		       json_is_string(model) ? json_string_value(model) : "an unknown one", want);
}

struct damage {
	ps_diag *diag;
	int err;
};

static void note_damage(void *context, const char *path, long block, uint64_t offset,
			const char *what)
{
	struct damage *damage = context;

	damage->err = ps_fail(damage->diag, PS_EINPUT, "%s: block %ld at offset %" PRIu64 ": %s",
			      path, block, offset, what);
}

/* A flipped bit would prune another weight unseen, so the checksums are looked at where there are any. */
static int check_sums(const ps_mask_file *mask, ps_diag *diag)
{
	struct damage damage = {.diag = diag};
	bool verified;
	int err = ps_safetensors_verify(&mask->file, note_damage, &damage, &verified, diag);

	return err ? err : damage.err;
}

/* --- interface --- */

int ps_mask_file_open(ps_mask_file *mask, const ps_sys *sys, const char *path,
		      const ps_model_config *config, uint64_t model_digest, ps_diag *diag)
{
	int err;

	*mask = (ps_mask_file){0};
	err = ps_safetensors_open(&mask->file, sys, path, diag);
	if (err)
		return err;
	err = check_kind(mask, diag);
	if (!err)
		err = check_model(mask, model_digest, diag);
	for (size_t i = 0; !err && i < mask->file.count; i++)
		err = check_tensor(mask, &mask->file.tensors[i], config, diag);
	if (!err)
		err = check_sums(mask, diag);
	if (err) {
		ps_mask_file_close(mask);
		return err;
	}
	mask->digest = ps_digest_of(mask->file.map, (size_t)mask->file.file_bytes);
	return 0;
}

void ps_mask_file_close(ps_mask_file *mask)
{
	ps_safetensors_close(&mask->file);
	*mask = (ps_mask_file){0};
}

ps_bitmap ps_mask_file_find(const ps_mask_file *mask, int layer, ps_projection projection,
			    const ps_model_config *config)
{
	const ps_tensor_info *info = find(mask, layer, projection);
	ps_bitmap bitmap = {0};

	ps_projection_shape(config, projection, &bitmap.rows, &bitmap.cols);
	bitmap.bits = info ? ps_safetensors_data(&mask->file, info) : NULL;
	return bitmap;
}
