/* sae/fold.h: the same function with other parameters: what one tool's form of an SAE has and
 * another one's has not, folded into the weights.
 *
 * Each function changes the SAE in place, so that it computes the same but for rounding. Sums run
 * in f64 in the order of the columns; each result is rounded to f32 once. sae/sae.h has the
 * formulas of the architectures. */
#ifndef PS_SAE_FOLD_H
#define PS_SAE_FOLD_H

#include "sae/sae.h"

/* Turns apply_b_dec_to_input on or off: b_enc +- W_enc b_dec takes its place. False: it was so
 * already, and nothing changes. Not for gated, whose fold is ps_sae_fold_gate. */
bool ps_sae_fold_b_dec(ps_sae *sae, bool apply);

/* Turns rescale_by_decoder_norm off: with n = |dec_j|, row j of the encoder and b_enc_j are
 * multiplied by n, row j of the decoder is divided by it. A row of zeros stays as it is. False: it
 * was off already. */
bool ps_sae_fold_decoder_norm(ps_sae *sae);

/* gated -> jumprelu. The gate and the magnitude share the encoder's row, so with m = exp(r_mag)
 *   z' = m (W_enc (x - b_dec)) + b_mag,   threshold' = max(b_mag - m b_gate, 0)
 * where b_dec counts as before. r_mag's memory becomes the threshold's. False: it is not gated. */
bool ps_sae_fold_gate(ps_sae *sae);

/* relu -> jumprelu with a threshold of 0, in threshold (F), which must live as long as the SAE.
 * False: it is not relu. */
bool ps_sae_fold_relu(ps_sae *sae, float *threshold);

/* A jumprelu's threshold below 0 becomes 0, which means the same (the values pass a ReLU). False:
 * there is none. */
bool ps_sae_fold_thresholds(ps_sae *sae);

/* Multiplies the rows that the SAE is made for by 1 / factor: an SAE for rows x of one for rows
 * x * factor. SAELens calls it fold_activation_norm_scaling_factor. The latents stay as they
 * are. */
void ps_sae_fold_row_factor(ps_sae *sae, float factor);

/* Whether all parameters are finite. A fold of large numbers may overflow. */
bool ps_sae_is_finite(const ps_sae *sae);

#endif
