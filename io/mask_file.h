/* io/mask_file.h: a mask file mapped read-only: a U8 tensor [rows, ceil(cols / 8)] per pruned weight. */
#ifndef PS_IO_MASK_FILE_H
#define PS_IO_MASK_FILE_H

#include "core/base/bitmap.h"
#include "core/model/weights.h"
#include "io/safetensors.h"

typedef struct ps_mask_file {
	ps_safetensors file;
	uint64_t digest; /* of the whole file's bytes */
} ps_mask_file;

/* Opens and checks every tensor's name and shape against the model; model_digest is compared with the one in
 * the mask's provenance when that is there. PS_EINPUT when the mask belongs to another model. */
int ps_mask_file_open(ps_mask_file *mask, const ps_sys *sys, const char *path,
		      const ps_model_config *config, uint64_t model_digest,
		      ps_diag *diag) PS_MUST_USE;
void ps_mask_file_close(ps_mask_file *mask);

/* The bitmap of a projection; bits NULL when the file does not prune it. */
ps_bitmap ps_mask_file_find(const ps_mask_file *mask, int layer, ps_projection projection,
			    const ps_model_config *config);

#endif
