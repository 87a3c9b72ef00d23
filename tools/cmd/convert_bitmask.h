/* tools/cmd/convert_bitmask.h: `convert` to a checkpoint in compressed-tensors' format
 * sparse-bitmask (io/bitmask_checkpoint.h has the layout).
 *
 * The weights are those of args->model, or of args->in where that is a checkpoint. The mask is
 * args->in: a mask in any form (mask_input.h), or the zeros of a checkpoint. A weight that the mask
 * keeps is stored even if it is 0, so the mask is read back as it was.
 * Written: model.safetensors with all tensors, config.json with quantization_config, the files of
 * the tokenizer, manifest.json. */
#ifndef PS_TOOLS_CMD_CONVERT_BITMASK_H
#define PS_TOOLS_CMD_CONVERT_BITMASK_H

#include "tools/cmd/commands.h"

/* Writes the folder args->out. result also has: tensors (compressed), weights, dropped,
 * sparsity_achieved. PS_EINPUT: a kept weight is not finite; the weights lie in a GGUF file. */
int ps_convert_bitmask(ps_session *session, const ps_convert_args *args,
		       json_t **result) PS_MUST_USE;

#endif
