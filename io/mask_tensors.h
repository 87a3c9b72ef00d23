/* io/mask_tensors.h: a mask as tensors of a .safetensors or .npz file (io/mask_source.h).
 *
 *   values   [rows, cols], each number 0 (dropped) or 1 (kept): bool, U8, I8, I16, I32, I64, F16,
 *            BF16, F32 or F64
 *   bits     U8 [rows, ceil(cols / 8)], or flat U8 [ceil(rows cols / 8)] (numpy.packbits without an
 *            axis, as MaskLLM writes it), least or most significant bit first; padding bits are 0
 * Names are those of the projections, perhaps with ".mask" or "_mask" behind them.
 *
 * Our own mask is read as what it is: bits whose shapes its metadata say, or the model. Refused by
 * name: another kind of file of ours, a tensor that is no projection, a shape that is not the
 * model's, another number than 0 and 1. */
#ifndef PS_IO_MASK_TENSORS_H
#define PS_IO_MASK_TENSORS_H

#include "io/mask_source.h"

/* How a mask lies in its tensors. */
typedef enum ps_mask_coding {
	PS_MASK_VALUES,
	PS_MASK_BITS_LSB, /* least significant first */
	PS_MASK_BITS_MSB  /* most significant first, as numpy.packbits without bitorder */
} ps_mask_coding;

/* Opens a file. config: of the model; NULL: not known, and values or our own mask alone can be
 * read. */
int ps_mask_tensors_open(ps_mask_source *source, const ps_sys *sys, const char *path,
			 ps_mask_coding coding, const ps_model_config *config,
			 ps_diag *diag) PS_MUST_USE;

#endif
