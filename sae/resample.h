/* sae/resample.h: dead latents start anew from badly reconstructed rows (Bricken et al., Towards
 * Monosemanticity, 2023, "Neuron resampling").
 *
 * Every resample_tokens, each latent that was silent for dead_after_tokens takes a row x of the
 * step's batch. Rows are drawn without replacement, with a probability in proportion to the square
 * of their loss. Latents beyond the batch's rows wait. A latent that starts anew has:
 *   dec_j   x / |x|, times decoder_norm unless decoder rows are kept at norm 1
 *   enc_j   0.2 (mean norm of the living latents' encoder rows) x / |x|
 *   bias 0, its other scalars as at the start of the run, Adam's moments 0
 * The draws of a step come from a stream of init_seed of its own. */
#ifndef PS_SAE_RESAMPLE_H
#define PS_SAE_RESAMPLE_H

#include "sae/trainer.h"

/* Whether latents start anew after the step that was just done. */
bool ps_resample_is_due(const ps_trainer *trainer);
/* Lets dead latents start anew. Uses x and row_loss of the step that was just done; row_loss is
 * overwritten. */
void ps_resample(ps_trainer *trainer);

#endif
