/* tools/train/sae_gemma_scope.h: SAEs of Gemma Scope (arXiv 2408.05147), a folder with params.npz,
 * and of Gemma Scope 2, a folder with params.safetensors and config.json.
 *
 *   W_enc [D, F], W_dec [F, D], b_enc [F], b_dec [D], threshold [F]; or w_enc, w_dec
 *   z = W_enc^T x + b_enc,  f = z where z > threshold, else 0,  x_hat = W_dec^T f + b_dec
 * as SAELens' loaders gemma_2_sae_huggingface_loader and gemma_3_sae_huggingface_loader have it.
 * D and F are those of W_enc. A threshold below 0 is refused.
 *
 * Place: params.npz says none, so layer, hook and model come from the path (sae_place.h). The
 * config.json of Gemma Scope 2 says model_name and hf_hook_point_in; where there is none, the path
 * does. Its folder's layer_N and its `width` must agree with it.
 * Refused by name: transcoders (another hf_hook_point_out, type), affine_connection and the tensor
 * affine_skip_connection, SAEs of the embedding, architectures other than jump_relu. */
#ifndef PS_TOOLS_TRAIN_SAE_GEMMA_SCOPE_H
#define PS_TOOLS_TRAIN_SAE_GEMMA_SCOPE_H

#include "tools/train/sae_config.h"

/* The names and orders of its tensors, as Gemma Scope has them. */
extern const ps_sae_tensors ps_sae_gemma_scope_tensors;

/* As read of ps_sae_format. */
int ps_sae_gemma_scope_read(const char *folder, ps_sae_config *config, uint64_t *digest,
			    ps_diag *diag) PS_MUST_USE;
int ps_sae_gemma_scope_2_read(const char *folder, ps_sae_config *config, uint64_t *digest,
			      ps_diag *diag) PS_MUST_USE;

#endif
