/* tools/train/sae_llama_scope.h: an SAE of Llama Scope (arXiv 2410.20526): a folder with
 * hyperparams.json and checkpoints/final.safetensors, as OpenMOSS' Language-Model-SAEs 1.0 writes
 * it.
 *
 *   encoder.weight [F, D], encoder.bias [F], decoder.weight [D, F], decoder.bias [D]
 *   s = sqrt(D) / dataset_average_activation_norm.in,   z = encoder.weight (s x) + encoder.bias
 *   f = z where z > s jump_relu_threshold, else 0;  x_hat = (decoder.weight f + decoder.bias) / s
 * This is SAELens' loader (get_llama_scope_config_from_hf, then its folding of s), with which
 * results are compared here. It keeps the weights as f32, as dtype float32 does in SAELens.
 * Deviation from Language-Model-SAEs: with sparsity_include_decoder_norm it moves each decoder
 * row's norm into the encoder before the threshold is applied. SAELens does not, nor do we. Where
 * these norms are 1 there is no difference.
 *
 * Keys: d_model, d_sae or expansion_factor; act_fn: jumprelu; topk (a jumprelu if there is a
 * threshold above 0, as Language-Model-SAEs has it; else TopK with top_k); relu (without a
 * threshold). norm_activation: dataset-wise, or none; hook_point_in; use_decoder_bias;
 * apply_decoder_bias_to_pre_encoder. Refused by name: use_glu_encoder, another hook_point_out,
 * normalization of each row or batch, a negative threshold. */
#ifndef PS_TOOLS_TRAIN_SAE_LLAMA_SCOPE_H
#define PS_TOOLS_TRAIN_SAE_LLAMA_SCOPE_H

#include "tools/train/sae_config.h"

/* As read of ps_sae_format. */
int ps_sae_llama_scope_read(const char *folder, ps_sae_config *config, uint64_t *digest,
			    ps_diag *diag) PS_MUST_USE;

#endif
