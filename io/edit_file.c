#include "io/edit_file.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/digest.h"
#include "io/model_map.h"
#include "io/verified_file.h"

static const ps_tensor_info *find(const ps_edit_file *edit, int layer, ps_projection projection)
{
	const ps_tensor_info *info = NULL;
	char known[96], full[PS_NAME_MAX];

	ps_projection_tensor(layer, projection, known);
	for (int prefix = 0; prefix < PS_PREFIXES && !info; prefix++)
		info = ps_safetensors_find(&edit->file, ps_prefixed_name(prefix, known, full));
	return info;
}

/* --- checks --- */

static int belongs_elsewhere(const ps_edit_file *edit, const ps_tensor_info *info, const char *what,
			     ps_diag *diag)
{
	return ps_fail(diag, PS_EINPUT, "%s: tensor %s%s: the %s belongs to another model",
		       edit->file.path, info->name, what, ps_edit_file_word(edit));
}

static int check_padding(const ps_edit_file *edit, const ps_tensor_info *info, size_t rows,
			 size_t cols, ps_diag *diag)
{
	const uint8_t *bits = ps_safetensors_data(&edit->file, info);
	size_t row_bytes = ps_bitmap_row_bytes(cols);
	uint8_t padding = (uint8_t)(cols % 8 ? 0xffu << cols % 8 : 0);

	for (size_t r = 0; padding && r < rows; r++) {
		size_t last = r * row_bytes + row_bytes - 1;

		if (bits[last] & padding)
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s: padding bits are set at offset %" PRIu64,
				       edit->file.path, info->name, info->offset + last);
	}
	return 0;
}

/* The largest rounded value of a group must be finite. */
static int check_scales(const ps_edit_file *edit, const ps_tensor_info *info, size_t count,
			ps_diag *diag)
{
	const char *data = ps_safetensors_data(&edit->file, info);
	const float steps = ps_rounding_steps(edit->rule.bits);

	for (size_t i = 0; i < count; i++) {
		float scale;

		memcpy(&scale, data + i * sizeof scale, sizeof scale);
		if (!(scale >= 0) || !isfinite(scale * steps))
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s: the scale %g at offset %" PRIu64
				       " is not finite, negative or too large",
				       edit->file.path, info->name, (double)scale,
				       info->offset + i * sizeof scale);
	}
	return 0;
}

/* Checks the logical shape in the metadata, if it is there. */
static int check_noted_shape(const ps_edit_file *edit, const char *name, size_t rows, size_t cols,
			     ps_diag *diag)
{
	const json_t *note = json_object_get(json_object_get(edit->file.metadata, "tensors"), name);
	const json_t *noted_rows = json_object_get(note, "rows"),
		     *noted_cols = json_object_get(note, "cols");

	if (!note)
		return 0;
	if (json_is_integer(noted_rows) && json_is_integer(noted_cols) &&
	    json_integer_value(noted_rows) == (json_int_t)rows &&
	    json_integer_value(noted_cols) == (json_int_t)cols)
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: tensor %s: the metadata's shape is not [%zu, %zu]: the %s belongs to "
		       "another model",
		       edit->file.path, name, rows, cols, ps_edit_file_word(edit));
}

/* A mask as some tools write it. */
static bool has_a_value_for_each_weight(const ps_tensor_info *info, size_t rows, size_t cols)
{
	return info->rank == 2 && info->shape[0] == rows && info->shape[1] == cols && cols > 1;
}

static int check_shape(const ps_edit_file *edit, const ps_tensor_info *info, size_t rows,
		       size_t cols, ps_diag *diag)
{
	const size_t wanted =
		edit->rounds ? ps_rounding_groups(&edit->rule, cols) : ps_bitmap_row_bytes(cols);
	const ps_dtype dtype = edit->rounds ? PS_F32 : PS_U8;

	if (!edit->rounds && has_a_value_for_each_weight(info, rows, cols))
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: is %s [%zu, %zu], one value for each weight; a mask "
			       "has one bit for each: U8 [%zu, %zu] is expected",
			       edit->file.path, info->name, info->dtype_name, rows, cols, rows,
			       wanted);
	if (info->dtype == (int)dtype && info->rank == 2 && info->shape[0] == rows &&
	    info->shape[1] == wanted)
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: tensor %s: %s [%zu, %zu] is expected: the %s belongs to another model",
		       edit->file.path, info->name, ps_dtype_name(dtype), rows, wanted,
		       ps_edit_file_word(edit));
}

static int check_tensor(const ps_edit_file *edit, const ps_tensor_info *info,
			const ps_model_config *config, ps_diag *diag)
{
	ps_projection projection;
	size_t rows, cols;
	int layer, rc;

	if (!ps_projection_of(config, -1, info->name, &layer, &projection))
		return belongs_elsewhere(edit, info, " is no projection of this model", diag);
	if (find(edit, layer, projection) != info)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s stands for a weight that has another %s too",
			       edit->file.path, info->name, edit->rounds ? "rounding" : "mask");
	ps_projection_shape(config, projection, &rows, &cols);
	rc = check_shape(edit, info, rows, cols, diag);
	if (!rc)
		rc = check_noted_shape(edit, info->name, rows, cols, diag);
	if (rc)
		return rc;
	return edit->rounds ? check_scales(edit, info, rows * ps_rounding_groups(&edit->rule, cols),
					   diag)
			    : check_padding(edit, info, rows, cols, diag);
}

/* bits and group of a rounding. */
static int read_rule(ps_edit_file *edit, ps_diag *diag)
{
	const json_t *bits = json_object_get(edit->file.metadata, "bits"),
		     *group = json_object_get(edit->file.metadata, "group");
	const bool row = json_is_string(group) && !strcmp(json_string_value(group), "row");

	if (!json_is_integer(bits) || json_integer_value(bits) < PS_ROUNDING_BITS_LEAST ||
	    json_integer_value(bits) > PS_ROUNDING_BITS_MOST)
		return ps_fail(diag, PS_EINPUT, "%s: the metadata's bits are not %d to %d",
			       edit->file.path, PS_ROUNDING_BITS_LEAST, PS_ROUNDING_BITS_MOST);
	if (!row && (!json_is_integer(group) || json_integer_value(group) < 1))
		return ps_fail(
			diag, PS_EINPUT,
			"%s: the metadata's group is neither \"row\" nor a number of columns",
			edit->file.path);
	edit->rule.bits = (int)json_integer_value(bits);
	edit->rule.group = row ? 0 : (size_t)json_integer_value(group);
	return 0;
}

static int read_kind(ps_edit_file *edit, ps_diag *diag)
{
	const json_t *kind = json_object_get(edit->file.metadata, "kind");
	const char *word = json_string_value(kind);

	edit->rounds = word && !strcmp(word, "rounding");
	if (edit->rounds)
		return read_rule(edit, diag);
	if (!kind || (word && !strcmp(word, "mask")))
		return 0;
	return ps_fail(diag, PS_EINPUT, "%s: is not a mask (kind %s)", edit->file.path,
		       word ? word : "unknown");
}

/* Checks the digest of the model that the file was made from, if it is there. */
static int check_model(const ps_edit_file *edit, uint64_t model_digest, ps_diag *diag)
{
	const json_t *inputs =
		json_object_get(json_object_get(edit->file.metadata, "provenance"), "inputs");
	const json_t *model = json_object_get(inputs, "model");
	char want[PS_DIGEST_TEXT];

	if (!model)
		return 0;
	ps_digest_format(model_digest, want);
	if (json_is_string(model) && !strcmp(json_string_value(model), want))
		return 0;
	return ps_fail(diag, PS_EINPUT,
		       "%s: the %s belongs to another model (made from %s, this one is %s; earlier "
		       "versions named models otherwise: make their masks anew)",
		       edit->file.path, ps_edit_file_word(edit),
		       json_is_string(model) ? json_string_value(model) : "an unknown one", want);
}

/* --- reading --- */

int ps_edit_file_open(ps_edit_file *edit, const ps_sys *sys, const char *path,
		      const ps_model_config *config, const uint64_t *model_digest, ps_diag *diag)
{
	bool verified;
	int rc;

	*edit = (ps_edit_file){0};
	rc = ps_safetensors_open(&edit->file, sys, path, diag);
	if (rc)
		return rc;
	rc = read_kind(edit, diag);
	if (!rc && model_digest)
		rc = check_model(edit, *model_digest, diag);
	for (size_t i = 0; !rc && i < edit->file.count; i++)
		rc = check_tensor(edit, &edit->file.tensors[i], config, diag);
	/* One flipped bit would silently change another weight. */
	if (!rc)
		rc = ps_verified_file_check(&edit->file, &verified, diag);
	if (rc) {
		ps_edit_file_close(edit);
		return rc;
	}
	edit->digest = ps_digest_of(edit->file.map, (size_t)edit->file.file_bytes);
	return 0;
}

void ps_edit_file_close(ps_edit_file *edit)
{
	ps_safetensors_close(&edit->file);
	*edit = (ps_edit_file){0};
}

ps_edit ps_edit_file_find(const ps_edit_file *edit, int layer, ps_projection projection)
{
	const ps_tensor_info *info = find(edit, layer, projection);
	const void *data = info ? ps_safetensors_data(&edit->file, info) : NULL;

	if (edit->rounds)
		return (ps_edit){.rounding = {.scale = data, .rule = edit->rule}};
	return (ps_edit){.keep = data};
}

const char *ps_edit_file_word(const ps_edit_file *edit)
{
	return edit->rounds ? "rounding file" : "mask";
}

ps_edit_totals ps_edit_file_totals(const ps_safetensors *file)
{
	ps_edit_totals totals = {0};
	const char *name;
	json_t *tensor;

	json_object_foreach (json_object_get(file->metadata, "tensors"), name, tensor) {
		totals.tensors++;
		totals.weights += (uint64_t)json_integer_value(json_object_get(tensor, "rows")) *
				  (uint64_t)json_integer_value(json_object_get(tensor, "cols"));
		totals.dropped += (uint64_t)json_integer_value(json_object_get(tensor, "dropped"));
	}
	return totals;
}
