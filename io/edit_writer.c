#include "io/edit_writer.h"

#include <stdlib.h>
#include <string.h>

#include "io/artefact.h"

struct ps_edit_writer {
	const ps_model_config *config;
	ps_artefact *artefact;
	json_t *extra;   /* the metadata: create's, completed by add */
	json_t *tensors; /* borrowed from extra */
	char *path;
	bool rounds;
	ps_rounding_rule rule;
	ps_edit_totals totals;
};

static size_t projection_count(const ps_model_config *config)
{
	return config->layers * PS_PROJECTIONS;
}

/* The type of a projection's tensor, and its columns. */
static ps_dtype tensor_type(const ps_rounding_rule *rule, size_t cols, size_t *stored_cols)
{
	*stored_cols = rule ? ps_rounding_groups(rule, cols) : ps_bitmap_row_bytes(cols);
	return rule ? PS_F32 : PS_U8;
}

/* The metadata of one tensor. The number of dropped weights has as many digits as it may ever get,
 * so that the header can only become shorter (ps_artefact_set_extra). */
static json_t *describe_tensor(const ps_edit_spec *spec, ps_projection projection)
{
	size_t rows, cols, weights;

	ps_projection_shape(spec->config, projection, &rows, &cols);
	weights = rows * cols;
	if (spec->rule)
		return json_pack("{s:I, s:I}", "rows", (json_int_t)rows, "cols", (json_int_t)cols);
	return json_pack("{s:I, s:I, s:o, s:I}", "rows", (json_int_t)rows, "cols", (json_int_t)cols,
			 "requested", ps_number_json(spec->sparsity), "dropped",
			 (json_int_t)weights);
}

static int describe_rounding(json_t *extra, const ps_rounding_rule *rule)
{
	return json_object_set_new(extra, "bits", json_integer(rule->bits)) |
	       json_object_set_new(extra, "group",
				   rule->group ? json_integer((json_int_t)rule->group)
					       : json_string("row"));
}

static int make_metadata(ps_edit_writer *writer, const ps_edit_spec *spec)
{
	char name[96];
	int lost = 0;

	writer->extra = json_pack("{s:O, s:{}}", "provenance", spec->provenance, "tensors");
	writer->tensors = json_object_get(writer->extra, "tensors");
	if (spec->match)
		lost |= json_object_set(writer->extra, "match", (json_t *)spec->match);
	if (spec->rule)
		lost |= describe_rounding(writer->extra, spec->rule);
	for (size_t i = 0; i < projection_count(spec->config); i++) {
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);

		lost |= json_object_set_new(
			writer->tensors, ps_projection_tensor((int)(i / PS_PROJECTIONS), p, name),
			describe_tensor(spec, p));
	}
	return lost || !writer->extra ? PS_EBUDGET : 0;
}

static int create_artefact(ps_edit_writer *writer, const ps_sys *sys, ps_diag *diag)
{
	const ps_rounding_rule *rule = writer->rounds ? &writer->rule : NULL;
	const size_t count = projection_count(writer->config);
	ps_tensor_decl *decls = calloc(count, sizeof *decls);
	char(*names)[96] = calloc(count, sizeof *names);
	const ps_artefact_spec spec = {.path = writer->path,
				       .kind = rule ? "rounding" : "mask",
				       .extra = writer->extra,
				       .tensors = decls,
				       .count = count};
	int rc = decls && names ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for %zu names", count);

	for (size_t i = 0; !rc && i < count; i++) {
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);
		size_t rows, cols, stored_cols;
		ps_dtype dtype;

		ps_projection_shape(writer->config, p, &rows, &cols);
		dtype = tensor_type(rule, cols, &stored_cols);
		decls[i] = (ps_tensor_decl){
			ps_projection_tensor((int)(i / PS_PROJECTIONS), p, names[i]),
			dtype,
			2,
			{rows, stored_cols}};
	}
	if (!rc)
		rc = ps_artefact_create(&writer->artefact, sys, &spec, diag);
	free(decls);
	free(names);
	return rc;
}

uint64_t ps_edit_data_bytes(const ps_model_config *config, const ps_rounding_rule *rule)
{
	uint64_t bytes = 0;
	size_t rows, cols, stored_cols;

	for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		bytes += ps_dtype_size(tensor_type(rule, cols, &stored_cols)) * config->layers *
			 rows * stored_cols;
	}
	return bytes;
}

int ps_edit_writer_create(ps_edit_writer **out, const ps_sys *sys, const ps_edit_spec *spec,
			  ps_diag *diag)
{
	ps_edit_writer *writer = calloc(1, sizeof *writer);
	int rc = writer ? 0 : PS_EBUDGET;

	*out = NULL;
	if (!rc) {
		*writer = (ps_edit_writer){
			.config = spec->config, .path = strdup(spec->path), .rounds = spec->rule};
		if (spec->rule)
			writer->rule = *spec->rule;
		rc = writer->path ? make_metadata(writer, spec) : PS_EBUDGET;
	}
	if (rc)
		(void)ps_fail(diag, rc, "%s: no memory for its metadata", spec->path);
	else
		rc = create_artefact(writer, sys, diag);
	if (rc) {
		ps_edit_writer_abort(writer);
		return rc;
	}
	*out = writer;
	return 0;
}

/* The next projection is this one. *tensor: its metadata. */
static int begin_projection(ps_edit_writer *writer, int layer, ps_projection projection,
			    json_t **tensor, ps_diag *diag)
{
	char name[96];
	size_t rows, cols;

	*tensor = json_object_get(writer->tensors, ps_projection_tensor(layer, projection, name));
	if (writer->totals.tensors != (uint64_t)layer * PS_PROJECTIONS + projection || !*tensor)
		return ps_fail(diag, PS_EFAILED, "%s: %s: weights come in the order of the model",
			       writer->path, name);
	ps_projection_shape(writer->config, projection, &rows, &cols);
	writer->totals.tensors++;
	writer->totals.weights += (uint64_t)rows * cols;
	return 0;
}

int ps_edit_writer_add(ps_edit_writer *writer, int layer, ps_projection projection,
		       const ps_bitmap *mask, uint64_t dropped, ps_diag *diag)
{
	json_t *tensor;
	int rc = begin_projection(writer, layer, projection, &tensor, diag);

	if (rc)
		return rc;
	if (json_object_set_new(tensor, "dropped", json_integer((json_int_t)dropped)))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its metadata", writer->path);
	writer->totals.dropped += dropped;
	return ps_artefact_write(writer->artefact, mask->bits,
				 mask->rows * ps_bitmap_row_bytes(mask->cols), diag);
}

int ps_edit_writer_add_scales(ps_edit_writer *writer, int layer, ps_projection projection,
			      const float *scale, ps_diag *diag)
{
	json_t *tensor;
	size_t rows, cols;
	int rc = begin_projection(writer, layer, projection, &tensor, diag);

	if (rc)
		return rc;
	ps_projection_shape(writer->config, projection, &rows, &cols);
	return ps_artefact_write(writer->artefact, scale,
				 rows * ps_rounding_groups(&writer->rule, cols) * sizeof *scale,
				 diag);
}

static void release(ps_edit_writer *writer)
{
	json_decref(writer->extra);
	free(writer->path);
	free(writer);
}

int ps_edit_writer_commit(ps_edit_writer *writer, ps_edit_totals *totals, ps_diag *diag)
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

void ps_edit_writer_abort(ps_edit_writer *writer)
{
	if (!writer)
		return;
	ps_artefact_abort(writer->artefact);
	release(writer);
}
