/* io/mask_zeros.h: the zeros of a checkpoint's projections as a mask (io/mask_source.h): a weight
 * that is 0 or -0 is dropped, any other is kept. */
#ifndef PS_IO_MASK_ZEROS_H
#define PS_IO_MASK_ZEROS_H

#include "io/checkpoint.h"
#include "io/mask_source.h"

/* Opens a source over an open checkpoint, which must outlive it. digest: that of the checkpoint. A
 * weight that is not finite is PS_EINPUT when its matrix is read. */
int ps_mask_zeros_open(ps_mask_source *source, ps_checkpoint *checkpoint, uint64_t digest,
		       ps_diag *diag) PS_MUST_USE;

#endif
