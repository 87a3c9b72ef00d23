/* tools/cmd/convert_mask.h: `convert` to a file with a mask: "mask", ours, or "torch", bool tensors
 * named as the weights. What it reads is in mask_input.h. */
#ifndef PS_TOOLS_CMD_CONVERT_MASK_H
#define PS_TOOLS_CMD_CONVERT_MASK_H

#include "tools/cmd/commands.h"

/* Writes the file args->out, a mask of ours or, as_torch, bool tensors. result also has: tensors,
 * weights, dropped, sparsity_achieved. */
int ps_convert_mask(ps_session *session, const ps_convert_args *args, bool as_torch,
		    json_t **result) PS_MUST_USE;

#endif
