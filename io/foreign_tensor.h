/* io/foreign_tensor.h: what a tensor of a checkpoint is that is none of the model's weights.
 *
 * transformers passes over every tensor that its model does not have. We pass over those that
 * cannot change what the model computes:
 *   - constants that the code computes itself: rotary tables, attention masks;
 *   - scales of a cache of keys and values, which only other engines use.
 * What could change the function is refused by name: biases, scales of quantized weights, LoRA
 * matrices, further projections. */
#ifndef PS_IO_FOREIGN_TENSOR_H
#define PS_IO_FOREIGN_TENSOR_H

#include <stdbool.h>

#include "io/safetensors.h"

/* Whether the model computes the same without the tensor. */
bool ps_foreign_is_unread(const ps_tensor_info *tensor);

/* What the tensor is, as its name tells: "part of quantized weights (GPTQ or AWQ)". NULL: the
 * name is unknown. */
const char *ps_foreign_kind(const char *name);

#endif
