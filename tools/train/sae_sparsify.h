/* tools/train/sae_sparsify.h: an SAE that EleutherAI's sparsify wrote: a folder with cfg.json and
 * sae.safetensors, named as the module that it reads (layers.3), in the folder of a run.
 *
 *   encoder.weight [F, D], encoder.bias [F], W_dec [F, D], b_dec [D]
 *   z = encoder.weight (x - b_dec) + encoder.bias,  f = the k largest of ReLU(z),
 *   x_hat = W_dec^T f + b_dec                     (sparsify/sparse_coder.py, SparseCoder)
 * Keys of cfg.json: d_in, k (32), num_latents or, where it is 0, expansion_factor (32) times d_in.
 * Refused by name: transcode, skip_connection, signed, activation groupmax. `model` of the run's
 * config.json, if that is there, names the model.
 *
 * SAELens 6.54's loader transposes W_dec, counts num_latents 0 as 0, and takes b_dec off the input
 * only without normalize_decoder. So it fails on what sparsify writes, and sparsify's own rules
 * hold here. */
#ifndef PS_TOOLS_TRAIN_SAE_SPARSIFY_H
#define PS_TOOLS_TRAIN_SAE_SPARSIFY_H

#include "tools/train/sae_config.h"

/* The names and orders of its tensors. */
extern const ps_sae_tensors ps_sae_sparsify_tensors;

/* The cfg.json of a TopK SAE as sparsify 1.3 writes it. NULL: no memory. */
json_t *ps_sae_sparsify_config(const ps_sae *sae);

/* As read of ps_sae_format. */
int ps_sae_sparsify_read(const char *folder, ps_sae_config *config, uint64_t *digest,
			 ps_diag *diag) PS_MUST_USE;

#endif
