/* io/gguf_names.h: what GGUF files call the tensors of a model. */
#ifndef PS_IO_GGUF_NAMES_H
#define PS_IO_GGUF_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* How a GGUF file calls a tensor of transformers, "model.layers.3.mlp.down_proj.weight", written to
 * out (size bytes), which becomes "blk.3.ffn_down.weight". llama: the family's norms, which share
 * names with others of Gemma. A name that GGUF does not have becomes "". Returns out. */
char *ps_gguf_tensor_name(bool llama, const char *name, char *out, size_t size);

#endif
