#include "io/mask_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "io/artefact.h"
#include "io/model_map.h"
#include "io/verified_file.h"

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

/* Checks the logical shape in the metadata, if it is there. */
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

	if (!ps_projection_of(config, -1, info->name, &layer, &projection))
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s is no projection of this model: the mask belongs to "
			       "another model",
			       mask->file.path, info->name);
	if (find(mask, layer, projection) != info)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s stands for a weight that has another mask too",
			       mask->file.path, info->name);
	ps_projection_shape(config, projection, &rows, &cols);
	if (info->rank == 2 && info->shape[0] == rows && info->shape[1] == cols && cols > 1)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s: is %s [%zu, %zu], one value for each weight; a mask "
			       "has one bit for each: U8 [%zu, %zu] is expected",
			       mask->file.path, info->name, info->dtype_name, rows, cols, rows,
			       ps_bitmap_row_bytes(cols));
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

/* Checks the digest of the model that the mask was made from, if it is there. */
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
	return ps_fail(
		diag, PS_EINPUT,
		"%s: the mask belongs to another model (made from %s, this one is %s; earlier "
		"versions named models otherwise: make their masks anew)",
		mask->file.path,
		json_is_string(model) ? json_string_value(model) : "an unknown one", want);
}

/* --- reading --- */

int ps_mask_file_open(ps_mask_file *mask, const ps_sys *sys, const char *path,
		      const ps_model_config *config, const uint64_t *model_digest, ps_diag *diag)
{
	bool verified;
	int rc;

	*mask = (ps_mask_file){0};
	rc = ps_safetensors_open(&mask->file, sys, path, diag);
	if (rc)
		return rc;
	rc = check_kind(mask, diag);
	if (!rc && model_digest)
		rc = check_model(mask, *model_digest, diag);
	for (size_t i = 0; !rc && i < mask->file.count; i++)
		rc = check_tensor(mask, &mask->file.tensors[i], config, diag);
	/* One flipped bit would silently prune another weight. */
	if (!rc)
		rc = ps_verified_file_check(&mask->file, &verified, diag);
	if (rc) {
		ps_mask_file_close(mask);
		return rc;
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

ps_mask_totals ps_mask_file_totals(const ps_safetensors *file)
{
	ps_mask_totals totals = {0};
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

/* --- writing --- */

struct ps_mask_writer {
	const ps_model_config *config;
	ps_artefact *artefact;
	json_t *extra;   /* the metadata: create's, completed by add */
	json_t *tensors; /* borrowed from extra */
	char *path;
	ps_mask_totals totals;
};

static size_t projection_count(const ps_model_config *config)
{
	return config->layers * PS_PROJECTIONS;
}

/* The metadata of one tensor. The number of dropped weights has as many digits as it may ever get,
 * so that the header can only become shorter (ps_artefact_set_extra). */
static json_t *describe_tensor(const ps_model_config *config, ps_projection projection,
			       double sparsity)
{
	size_t rows, cols, weights;

	ps_projection_shape(config, projection, &rows, &cols);
	weights = rows * cols;
	return json_pack("{s:I, s:I, s:o, s:I}", "rows", (json_int_t)rows, "cols", (json_int_t)cols,
			 "requested", ps_number_json(sparsity), "dropped", (json_int_t)weights);
}

static int make_metadata(ps_mask_writer *writer, const ps_mask_spec *spec)
{
	char name[96];
	int lost = 0;

	writer->extra = json_pack("{s:O, s:{}}", "provenance", spec->provenance, "tensors");
	writer->tensors = json_object_get(writer->extra, "tensors");
	for (size_t i = 0; i < projection_count(spec->config); i++) {
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);

		lost |= json_object_set_new(
			writer->tensors, ps_projection_tensor((int)(i / PS_PROJECTIONS), p, name),
			describe_tensor(spec->config, p, spec->sparsity));
	}
	return lost || !writer->extra ? PS_EBUDGET : 0;
}

static int create_artefact(ps_mask_writer *writer, const ps_sys *sys, ps_diag *diag)
{
	const size_t count = projection_count(writer->config);
	ps_tensor_decl *decls = calloc(count, sizeof *decls);
	char(*names)[96] = calloc(count, sizeof *names);
	const ps_artefact_spec spec = {.path = writer->path,
				       .kind = "mask",
				       .extra = writer->extra,
				       .tensors = decls,
				       .count = count};
	int rc = decls && names ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for %zu names", count);

	for (size_t i = 0; !rc && i < count; i++) {
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);
		size_t rows, cols;

		ps_projection_shape(writer->config, p, &rows, &cols);
		decls[i] = (ps_tensor_decl){
			ps_projection_tensor((int)(i / PS_PROJECTIONS), p, names[i]),
			PS_U8,
			2,
			{rows, ps_bitmap_row_bytes(cols)}};
	}
	if (!rc)
		rc = ps_artefact_create(&writer->artefact, sys, &spec, diag);
	free(decls);
	free(names);
	return rc;
}

uint64_t ps_mask_data_bytes(const ps_model_config *config)
{
	uint64_t bytes = 0;
	size_t rows, cols;

	for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		bytes += config->layers * rows * ps_bitmap_row_bytes(cols);
	}
	return bytes;
}

int ps_mask_writer_create(ps_mask_writer **out, const ps_sys *sys, const ps_mask_spec *spec,
			  ps_diag *diag)
{
	ps_mask_writer *writer = calloc(1, sizeof *writer);
	int rc = writer ? 0 : PS_EBUDGET;

	*out = NULL;
	if (!rc) {
		*writer = (ps_mask_writer){.config = spec->config, .path = strdup(spec->path)};
		rc = writer->path ? make_metadata(writer, spec) : PS_EBUDGET;
	}
	if (rc)
		(void)ps_fail(diag, rc, "%s: no memory for its metadata", spec->path);
	else
		rc = create_artefact(writer, sys, diag);
	if (rc) {
		ps_mask_writer_abort(writer);
		return rc;
	}
	*out = writer;
	return 0;
}

int ps_mask_writer_add(ps_mask_writer *writer, int layer, ps_projection projection,
		       const ps_bitmap *mask, uint64_t dropped, ps_diag *diag)
{
	char name[96];
	json_t *tensor =
		json_object_get(writer->tensors, ps_projection_tensor(layer, projection, name));

	if (writer->totals.tensors != (uint64_t)layer * PS_PROJECTIONS + projection || !tensor)
		return ps_fail(diag, PS_EFAILED, "%s: %s: masks come in the order of the model",
			       writer->path, name);
	if (json_object_set_new(tensor, "dropped", json_integer((json_int_t)dropped)))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its metadata", writer->path);
	writer->totals.tensors++;
	writer->totals.weights += mask->rows * mask->cols;
	writer->totals.dropped += dropped;
	return ps_artefact_write(writer->artefact, mask->bits,
				 mask->rows * ps_bitmap_row_bytes(mask->cols), diag);
}

static void release(ps_mask_writer *writer)
{
	json_decref(writer->extra);
	free(writer->path);
	free(writer);
}

int ps_mask_writer_commit(ps_mask_writer *writer, ps_mask_totals *totals, ps_diag *diag)
{
	int rc = ps_artefact_set_extra(writer->artefact, writer->extra, diag);

	if (rc)
		ps_artefact_abort(writer->artefact);
	else
		rc = ps_artefact_commit(writer->artefact, diag);
	*totals = writer->totals;
	release(writer);
	return rc;
}

void ps_mask_writer_abort(ps_mask_writer *writer)
{
	if (!writer)
		return;
	ps_artefact_abort(writer->artefact);
	release(writer);
}
