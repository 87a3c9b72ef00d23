/* io/edit_file.h: what is done to the weights of a model, from a file that is read mapped: a mask
 * or a rounding (core/model/edit.h). Whatever takes a mask takes either. io/edit_writer.h writes
 * them.
 *
 * Per edited weight the file holds a tensor of the weight's own name:
 *
 *   mask       U8  [rows, ceil(cols / 8)], in the layout of core/base/bitmap.h
 *   rounding   F32 [rows, groups]: the scales, finite and not negative
 *
 * Ours have kind "mask" or "rounding", the provenance, and for each tensor {rows, cols}, the
 * logical shape; a mask also {requested, dropped}: requested sparsity, number of dropped weights. A
 * rounding has "bits", and "group": the columns that share a scale, or "row". A file without kind
 * is a mask. */
#ifndef PS_IO_EDIT_FILE_H
#define PS_IO_EDIT_FILE_H

#include "core/base/bitmap.h"
#include "core/model/weights.h"
#include "io/safetensors.h"

typedef struct ps_edit_file {
	ps_safetensors file;
	uint64_t digest; /* of the whole file's bytes */
	bool rounds;     /* a rounding; else a mask */
	ps_rounding_rule rule;
} ps_edit_file;

/* Maps a mask or a rounding and checks every tensor's name, shape and numbers against the model,
 * and all checksums. *model_digest is compared with the digest in the file's provenance, if there
 * is one; NULL takes the file of any model of these shapes.
 * PS_EINPUT for anything wrong, also for a file of another model. */
int ps_edit_file_open(ps_edit_file *edit, const ps_sys *sys, const char *path,
		      const ps_model_config *config, const uint64_t *model_digest,
		      ps_diag *diag) PS_MUST_USE;
/* Unmaps the file. One that failed to open is allowed. */
void ps_edit_file_close(ps_edit_file *edit);

/* The edit of a projection, borrowed from the mapping; all zero if the file leaves it alone. */
ps_edit ps_edit_file_find(const ps_edit_file *edit, int layer, ps_projection projection);

/* What a whole file comes to. */
typedef struct ps_edit_totals {
	uint64_t tensors, weights, dropped;
} ps_edit_totals;

/* The totals of a file that this program wrote, from its metadata. */
ps_edit_totals ps_edit_file_totals(const ps_safetensors *file);

/* A file's kind in words, for messages: "mask" or "rounding file". */
const char *ps_edit_file_word(const ps_edit_file *edit);

#endif
