/* io/bitmask_checkpoint.h: the masks of a checkpoint that compressed-tensors wrote in its format
 * `sparse-bitmask` (releases up to 0.14; io/mask_source.h).
 *
 * A weight W of [rows, cols] stands there as four tensors, whose names begin with that of W,
 * without ".weight" or with it:
 *   .compressed   [kept]: the kept weights, row after row
 *   .bitmask      U8 [rows, ceil(cols / 8)], least significant bit first, as ours
 *   .shape        I64 [2]: rows, cols
 *   .row_offsets  I64 [rows]: the index in .compressed at which each row begins
 * config.json says so: quantization_config (compression_config of older releases) has
 * sparsity_config with format "sparse-bitmask".
 * Projections of decoder layers are masks; other weights that are stored so are passed over. The
 * four tensors are compared with each other. Refused by name: "sparse-24-bitmask", quantized
 * weights. */
#ifndef PS_IO_BITMASK_CHECKPOINT_H
#define PS_IO_BITMASK_CHECKPOINT_H

#include "core/base/progress.h"
#include "io/mask_source.h"

/* Whether the folder's config.json says that weights are stored as a sparse format of
 * compressed-tensors. PS_EINPUT: it is there and cannot be read. */
int ps_bitmask_checkpoint_is(const ps_sys *sys, const char *folder, bool *is,
			     ps_diag *diag) PS_MUST_USE;

/* Opens the folder. config: of the model whose masks they are; NULL: not known. context: as for
 * ps_known_digests. */
int ps_bitmask_checkpoint_open(ps_mask_source *source, const ps_sys *sys, const char *folder,
			       const ps_model_config *config, const ps_context *context,
			       ps_diag *diag) PS_MUST_USE;

#endif
