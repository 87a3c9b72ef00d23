/* io/mask_file.h: the mask of a model in a file: written one projection at a time, read mapped.
 *
 * Per pruned weight the file holds a U8 tensor of the weight's own name, [rows, ceil(cols / 8)], in
 * the layout of core/base/bitmap.h. Ours has kind "mask", the provenance, and for each tensor
 * {rows, cols, requested, dropped}: logical shape, requested sparsity, number of dropped
 * weights. */
#ifndef PS_IO_MASK_FILE_H
#define PS_IO_MASK_FILE_H

#include "core/base/bitmap.h"
#include "core/model/weights.h"
#include "io/safetensors.h"

/* --- reading --- */

typedef struct ps_mask_file {
	ps_safetensors file;
	uint64_t digest; /* of the whole file's bytes */
} ps_mask_file;

/* Maps a mask and checks every tensor's name and shape against the model, and all checksums.
 * *model_digest is compared with the digest in the mask's provenance, if there is one; NULL takes
 * the mask of any model of these shapes.
 * PS_EINPUT for anything wrong, also for a mask of another model. */
int ps_mask_file_open(ps_mask_file *mask, const ps_sys *sys, const char *path,
		      const ps_model_config *config, const uint64_t *model_digest,
		      ps_diag *diag) PS_MUST_USE;
/* Unmaps the file. One that failed to open is allowed. */
void ps_mask_file_close(ps_mask_file *mask);

/* The bitmap of a projection, borrowed from the mapping. Its bits are NULL if the file does not
 * prune that projection. */
ps_bitmap ps_mask_file_find(const ps_mask_file *mask, int layer, ps_projection projection,
			    const ps_model_config *config);

/* --- writing --- */

typedef struct ps_mask_writer ps_mask_writer;

/* What a whole mask comes to. */
typedef struct ps_mask_totals {
	uint64_t tensors, weights, dropped;
} ps_mask_totals;

/* The totals of a mask that this program wrote, from its metadata. */
ps_mask_totals ps_mask_file_totals(const ps_safetensors *file);

/* What a new mask is of. create copies what it needs; the config must outlive the writer. */
typedef struct ps_mask_spec {
	const char *path;
	const ps_model_config *config;
	const json_t *provenance;
	double sparsity; /* as requested */
} ps_mask_spec;

/* The data of a mask of all projections, in bytes. */
uint64_t ps_mask_data_bytes(const ps_model_config *config);

/* Begins a mask of all projections of all layers. Errors: as ps_artefact_create. */
int ps_mask_writer_create(ps_mask_writer **writer, const ps_sys *sys, const ps_mask_spec *spec,
			  ps_diag *diag) PS_MUST_USE;
/* Adds the next projection: layer 0 q, k, v, o, gate, up, down, layer 1 q, ...
 * dropped: the number of cleared bits. PS_EFAILED out of order. */
int ps_mask_writer_add(ps_mask_writer *writer, int layer, ps_projection projection,
		       const ps_bitmap *mask, uint64_t dropped, ps_diag *diag) PS_MUST_USE;
/* Completes the metadata and the file. Frees the writer, whatever it returns. */
int ps_mask_writer_commit(ps_mask_writer *writer, ps_mask_totals *totals,
			  ps_diag *diag) PS_MUST_USE;
/* Removes what was written and frees the writer. NULL is allowed. */
void ps_mask_writer_abort(ps_mask_writer *writer);

#endif
