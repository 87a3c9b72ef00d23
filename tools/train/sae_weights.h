/* tools/train/sae_weights.h: the parameters of an SAE, read from a file of any format's names and
 * orders. tools/train/sae_weights_save.h writes them. SAELens' form:
 *
 *   W_enc [D, F], W_dec [F, D], b_dec [D], b_enc [F]
 *   jumprelu also has threshold [F]
 *   gated has b_gate, r_mag and b_mag [F] instead of b_enc
 *   SAELens 2 to 5 also wrote scaling_factor [F] (finetuning_scaling_factor in memory)
 * Ours are F32. Others may be F32, F64, F16 or BF16. They are rounded to the dtype of the
 * configuration (cfg.json of SAELens), and then to F32, in which this program computes.
 *
 * scaling_factor multiplies each latent when it is decoded. Here its product with the decoder's row
 * takes its place. As SAELens, a factor of ones counts as none, and another one is refused unless
 * finetuning_scaling_factor of cfg.json is true. */
#ifndef PS_TOOLS_TRAIN_SAE_WEIGHTS_H
#define PS_TOOLS_TRAIN_SAE_WEIGHTS_H

#include "tools/train/sae_config.h"
#include "tools/train/sae_file.h"

/* Reads the parameters into sae, which ps_sae_create made for the config's shape. PS_EINPUT: a
 * tensor is missing, has another shape or dtype, holds a number that is not finite or a threshold
 * that must not be negative, or does not belong to such an SAE. */
int ps_sae_weights_load(ps_sae_file *file, const ps_sae_config *config, ps_sae *sae,
			ps_diag *diag) PS_MUST_USE;

#endif
