/* tools/cmd/mask_input.h: what `convert` reads masks from.
 *
 *   from                                         told by
 *   0/1 tensors, or our own mask                 a .safetensors or .npz file
 *   packed bits                                  the same, with bits
 *   a checkpoint's zeros                         a folder or a hub id, with from_zeros
 *   compressed-tensors' sparse-bitmask           a folder, by its config.json
 * With a model, names and shapes are compared with it, and the output belongs to it
 * (tools/run/belonging.h). Without one they are taken as they are, and any model of these shapes
 * takes the mask. Rows stream: memory does not grow with the mask. */
#ifndef PS_TOOLS_CMD_MASK_INPUT_H
#define PS_TOOLS_CMD_MASK_INPUT_H

#include "io/checkpoint.h"
#include "io/mask_source.h"
#include "tools/cmd/commands.h"

/* A mask on its way, and what it is of. */
typedef struct ps_mask_input {
	ps_mask_source source;
	ps_checkpoint *zeros; /* that the source reads; NULL: none */
	ps_checkpoint *model; /* args->model; NULL: none */
	uint64_t model_digest;
	const char *from; /* for the result: "values", "packed bits", "zeros", ... */
} ps_mask_input;

/* Opens args->in, whatever it is, and args->model. PS_EUSAGE: arguments that do not go together. */
int ps_mask_input_open(ps_mask_input *in, ps_session *session,
		       const ps_convert_args *args) PS_MUST_USE;
void ps_mask_input_close(ps_mask_input *in); /* a zeroed one is allowed */
/* *provenance of what is made of it: a new reference. PS_EBUDGET. */
int ps_mask_input_provenance(const ps_mask_input *in, ps_session *session,
			     const ps_convert_args *args, json_t **provenance) PS_MUST_USE;

/* Called with each block of a mask: rows [first, first + rows) of a matrix. */
typedef int ps_mask_block_fn(void *context, size_t matrix, size_t first, size_t rows,
			     const uint8_t *bits);
/* Memory of ps_mask_input_each, in bytes. */
size_t ps_mask_input_bytes(const ps_mask_input *in);
/* Hands out all blocks of one matrix, in order. */
int ps_mask_input_each(const ps_mask_input *in, ps_session *session, size_t matrix,
		       ps_mask_block_fn *fn, void *context) PS_MUST_USE;

#endif
