/* io/edit_writer.h: writes the mask or the rounding of a model, one matrix after the other
 * (io/edit_file.h says what the file holds).
 *
 * The matrices are all projections of a model in its order, or those of a list. A mask may come a
 * matrix at a time, or in blocks of rows. */
#ifndef PS_IO_EDIT_WRITER_H
#define PS_IO_EDIT_WRITER_H

#include "core/base/json.h"
#include "io/edit_file.h"

typedef struct ps_edit_writer ps_edit_writer;

/* A matrix that a file is about. */
typedef struct ps_edit_matrix {
	char name[96]; /* as ps_projection_tensor has it */
	size_t rows, cols;
} ps_edit_matrix;

/* What a new file is of. create copies what it needs. */
typedef struct ps_edit_spec {
	const char *path;
	const ps_model_config *config;  /* all its projections; NULL: those of the list */
	const ps_edit_matrix *matrices; /* (matrix_count) */
	size_t matrix_count;
	const json_t *provenance;
	const json_t *match; /* how its sparsity was found, noted as "match"; NULL: given */
	const ps_rounding_rule *rule; /* of a rounding; NULL: a mask */
	double sparsity;              /* of a mask, as requested; NAN: nobody said it */
} ps_edit_spec;

/* The data of a file of all projections, in bytes. rule NULL: a mask. */
uint64_t ps_edit_data_bytes(const ps_model_config *config, const ps_rounding_rule *rule);

/* Memory of a writer of such a file, in bytes, without the header. */
size_t ps_edit_writer_bytes(const ps_model_config *config, const ps_rounding_rule *rule);

/* Begins a file. Errors: as ps_artefact_create. */
int ps_edit_writer_create(ps_edit_writer **writer, const ps_sys *sys, const ps_edit_spec *spec,
			  ps_diag *diag) PS_MUST_USE;
/* Adds the next projection to a mask or to a rounding: layer 0 q, k, v, o, gate, up, down, layer 1
 * q, ... scale: (rows, groups). PS_EFAILED out of order. */
int ps_edit_writer_add(ps_edit_writer *writer, int layer, ps_projection projection,
		       const ps_bitmap *mask, ps_diag *diag) PS_MUST_USE;
int ps_edit_writer_add_scales(ps_edit_writer *writer, int layer, ps_projection projection,
			      const float *scale, ps_diag *diag) PS_MUST_USE;
/* Adds the next rows to a mask: bits in the layout of core/base/bitmap.h. They lie in one matrix;
 * the next matrix begins when this one has all its rows. PS_EFAILED for more rows than it has. */
int ps_edit_writer_add_rows(ps_edit_writer *writer, const uint8_t *bits, size_t rows,
			    ps_diag *diag) PS_MUST_USE;
/* Completes the metadata and the file. Frees the writer, whatever it returns. */
int ps_edit_writer_commit(ps_edit_writer *writer, ps_edit_totals *totals,
			  ps_diag *diag) PS_MUST_USE;
/* Commits several files together, as ps_artefact_commit_all does. totals: (count). Frees all
 * writers, whatever it returns. */
int ps_edit_writer_commit_all(ps_edit_writer *const *writers, size_t count, ps_edit_totals *totals,
			      ps_diag *diag) PS_MUST_USE;
/* Removes what was written and frees the writer. NULL is allowed. */
void ps_edit_writer_abort(ps_edit_writer *writer);

#endif
