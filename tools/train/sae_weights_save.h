/* tools/train/sae_weights_save.h: writes the parameters of an SAE, F32, under the names and in the
 * orders of a format (tools/train/sae_weights.h reads them).
 *
 * A path that ends in .npz becomes a NumPy archive, another one a safetensors file of ours with
 * kind "sae". Written: the two matrices, b_dec, then those vectors of the latents that both the
 * format and the architecture have. */
#ifndef PS_TOOLS_TRAIN_SAE_WEIGHTS_SAVE_H
#define PS_TOOLS_TRAIN_SAE_WEIGHTS_SAVE_H

#include "tools/train/sae_config.h"

/* Writes the file atomically. extra: further keys of the metadata; an npz has none. PS_EFAILED: a
 * parameter is not finite, which the message blames on `why`. */
int ps_sae_weights_save(const char *path, const ps_sae *sae, const ps_sae_tensors *names,
			const json_t *extra, const char *why, ps_diag *diag) PS_MUST_USE;

/* The memory that it takes, in bytes. */
size_t ps_sae_weights_save_bytes(const ps_sae *sae);

#endif
