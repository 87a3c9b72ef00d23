#include "io/edit_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/artefact.h"

struct ps_edit_writer {
	ps_edit_matrix *matrices; /* (count) */
	size_t count, current;    /* current: the matrix whose rows come next */
	size_t rows;              /* of it that have come, of a mask */
	uint64_t kept;            /* in these rows */
	ps_artefact *artefact;
	json_t *extra;   /* the metadata: create's, completed by add */
	json_t *tensors; /* borrowed from extra */
	char *path;
	bool rounds;
	ps_rounding_rule rule;
	ps_edit_totals totals;
};

/* The type of a matrix's tensor, and its columns. */
static ps_dtype tensor_type(const ps_rounding_rule *rule, size_t cols, size_t *stored_cols)
{
	*stored_cols = rule ? ps_rounding_groups(rule, cols) : ps_bitmap_row_bytes(cols);
	return rule ? PS_F32 : PS_U8;
}

/* Copies the list, or makes that of a model. */
static int list_matrices(ps_edit_writer *writer, const ps_edit_spec *spec)
{
	const size_t count =
		spec->config ? spec->config->layers * PS_PROJECTIONS : spec->matrix_count;

	writer->matrices = calloc(count + 1, sizeof *writer->matrices);
	if (!writer->matrices)
		return PS_EBUDGET;
	writer->count = count;
	if (!spec->config) {
		memcpy(writer->matrices, spec->matrices, count * sizeof *spec->matrices);
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		const ps_projection p = (ps_projection)(i % PS_PROJECTIONS);
		ps_edit_matrix *m = &writer->matrices[i];

		ps_projection_tensor((int)(i / PS_PROJECTIONS), p, m->name);
		ps_projection_shape(spec->config, p, &m->rows, &m->cols);
	}
	return 0;
}

/* The metadata of one tensor. The number of dropped weights has as many digits as it may ever get,
 * so that the header can only become shorter (ps_artefact_set_extra). */
static json_t *describe_tensor(const ps_edit_spec *spec, const ps_edit_matrix *m)
{
	const json_int_t rows = (json_int_t)m->rows, cols = (json_int_t)m->cols,
			 weights = rows * cols;
	json_t *tensor = json_pack("{s:I, s:I}", "rows", rows, "cols", cols);

	if (spec->rule)
		return tensor;
	if (json_object_set_new(tensor, "dropped", json_integer(weights)) ||
	    (!isnan(spec->sparsity) &&
	     json_object_set_new(tensor, "requested", ps_number_json(spec->sparsity)))) {
		json_decref(tensor);
		return NULL;
	}
	return tensor;
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
	int lost = 0;

	writer->extra = json_pack("{s:O, s:{}}", "provenance", spec->provenance, "tensors");
	writer->tensors = json_object_get(writer->extra, "tensors");
	if (spec->match)
		lost |= json_object_set(writer->extra, "match", (json_t *)spec->match);
	if (spec->rule)
		lost |= describe_rounding(writer->extra, spec->rule);
	for (size_t i = 0; i < writer->count; i++)
		lost |= json_object_set_new(writer->tensors, writer->matrices[i].name,
					    describe_tensor(spec, &writer->matrices[i]));
	return lost || !writer->extra ? PS_EBUDGET : 0;
}

static int create_artefact(ps_edit_writer *writer, const ps_sys *sys, ps_diag *diag)
{
	const ps_rounding_rule *rule = writer->rounds ? &writer->rule : NULL;
	ps_tensor_decl *decls = calloc(writer->count + 1, sizeof *decls);
	const ps_artefact_spec spec = {.path = writer->path,
				       .kind = rule ? "rounding" : "mask",
				       .extra = writer->extra,
				       .tensors = decls,
				       .count = writer->count};
	int rc = decls ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for %zu names", writer->count);

	for (size_t i = 0; !rc && i < writer->count; i++) {
		const ps_edit_matrix *m = &writer->matrices[i];
		size_t stored_cols;
		const ps_dtype dtype = tensor_type(rule, m->cols, &stored_cols);

		decls[i] = (ps_tensor_decl){m->name, dtype, 2, {m->rows, stored_cols}};
	}
	if (!rc)
		rc = ps_artefact_create(&writer->artefact, sys, &spec, diag);
	free(decls);
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

size_t ps_edit_writer_bytes(const ps_model_config *config, const ps_rounding_rule *rule)
{
	return ps_min_size(PS_PIECE_BYTES, (size_t)ps_edit_data_bytes(config, rule));
}

int ps_edit_writer_create(ps_edit_writer **out, const ps_sys *sys, const ps_edit_spec *spec,
			  ps_diag *diag)
{
	ps_edit_writer *writer = calloc(1, sizeof *writer);
	int rc = writer ? 0 : PS_EBUDGET;

	*out = NULL;
	if (!rc) {
		*writer = (ps_edit_writer){.path = strdup(spec->path), .rounds = spec->rule};
		if (spec->rule)
			writer->rule = *spec->rule;
		rc = writer->path ? list_matrices(writer, spec) : PS_EBUDGET;
		if (!rc)
			rc = make_metadata(writer, spec);
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

/* The next matrix is this projection. */
static int expect(const ps_edit_writer *writer, int layer, ps_projection projection, ps_diag *diag)
{
	char name[96];

	ps_projection_tensor(layer, projection, name);
	if (writer->current == writer->count || writer->rows ||
	    strcmp(name, writer->matrices[writer->current].name) != 0)
		return ps_fail(diag, PS_EFAILED, "%s: %s: weights come in the order of the model",
			       writer->path, name);
	return 0;
}

static void end_matrix(ps_edit_writer *writer)
{
	const ps_edit_matrix *m = &writer->matrices[writer->current++];

	writer->totals.tensors++;
	writer->totals.weights += (uint64_t)m->rows * m->cols;
	writer->rows = 0;
	writer->kept = 0;
}

/* All rows of a mask's matrix have come. */
static int end_mask(ps_edit_writer *writer, ps_diag *diag)
{
	const ps_edit_matrix *m = &writer->matrices[writer->current];
	const uint64_t dropped = (uint64_t)m->rows * m->cols - writer->kept;
	json_t *tensor = json_object_get(writer->tensors, m->name);

	if (json_object_set_new(tensor, "dropped", json_integer((json_int_t)dropped)))
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its metadata", writer->path);
	writer->totals.dropped += dropped;
	end_matrix(writer);
	return 0;
}

int ps_edit_writer_add_rows(ps_edit_writer *writer, const uint8_t *bits, size_t rows, ps_diag *diag)
{
	const ps_edit_matrix *m = &writer->matrices[writer->current];
	int rc;

	if (writer->current == writer->count || rows > m->rows - writer->rows)
		return ps_fail(diag, PS_EFAILED, "%s: more rows than were declared", writer->path);
	rc = ps_artefact_write(writer->artefact, bits, rows * ps_bitmap_row_bytes(m->cols), diag);
	writer->rows += rows;
	writer->kept += ps_bitmap_count(bits, rows, m->cols);
	return rc || writer->rows < m->rows ? rc : end_mask(writer, diag);
}

int ps_edit_writer_add(ps_edit_writer *writer, int layer, ps_projection projection,
		       const ps_bitmap *mask, ps_diag *diag)
{
	int rc = expect(writer, layer, projection, diag);

	return rc ? rc : ps_edit_writer_add_rows(writer, mask->bits, mask->rows, diag);
}

int ps_edit_writer_add_scales(ps_edit_writer *writer, int layer, ps_projection projection,
			      const float *scale, ps_diag *diag)
{
	const ps_edit_matrix *m = &writer->matrices[writer->current];
	int rc = expect(writer, layer, projection, diag);

	if (!rc)
		rc = ps_artefact_write(
			writer->artefact, scale,
			m->rows * ps_rounding_groups(&writer->rule, m->cols) * sizeof *scale, diag);
	if (!rc)
		end_matrix(writer);
	return rc;
}

static void release(ps_edit_writer *writer)
{
	json_decref(writer->extra);
	free(writer->matrices);
	free(writer->path);
	free(writer);
}

/* Commits the artefacts, which nobody holds any more then. */
static int commit_artefacts(ps_edit_writer *const *writers, size_t count, ps_diag *diag)
{
	ps_artefact **artefacts = calloc(count + 1, sizeof(ps_artefact *));
	int rc = 0;

	if (!artefacts)
		return ps_fail(diag, PS_EBUDGET, "no memory for %zu files", count);
	for (size_t i = 0; i < count && !rc; i++)
		rc = ps_artefact_set_extra(writers[i]->artefact, writers[i]->extra, diag);
	for (size_t i = 0; i < count && !rc; i++) {
		artefacts[i] = writers[i]->artefact;
		writers[i]->artefact = NULL;
	}
	if (!rc)
		rc = ps_artefact_commit_all(artefacts, count, diag);
	free(artefacts);
	return rc;
}

int ps_edit_writer_commit_all(ps_edit_writer *const *writers, size_t count, ps_edit_totals *totals,
			      ps_diag *diag)
{
	int rc = commit_artefacts(writers, count, diag);

	for (size_t i = 0; i < count; i++) {
		totals[i] = writers[i]->totals;
		ps_edit_writer_abort(writers[i]);
	}
	return rc;
}

int ps_edit_writer_commit(ps_edit_writer *writer, ps_edit_totals *totals, ps_diag *diag)
{
	return ps_edit_writer_commit_all(&writer, 1, totals, diag);
}

void ps_edit_writer_abort(ps_edit_writer *writer)
{
	if (!writer)
		return;
	ps_artefact_abort(writer->artefact);
	release(writer);
}
