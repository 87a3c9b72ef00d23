/* sae/resample.h: dead latents start anew from rows that are reconstructed badly (Bricken et al., Towards
 * Monosemanticity, 2023, "Neuron resampling").
 *
 * Every resample_tokens, each latent silent for dead_after_tokens takes a row of the step's batch, drawn without
 * replacement with probability in proportion to the square of its loss: dec_j = x / |x| (times decoder_norm where rows
 * are free), enc_j = 0.2 (mean norm of the living latents' encoder rows) x / |x|, bias 0, its other scalars as at the
 * start, Adam's moments 0. Latents beyond the batch's rows wait. Draws: a stream of init_seed per step. */
#ifndef PS_SAE_RESAMPLE_H
#define PS_SAE_RESAMPLE_H

#include "sae/trainer.h"

/* After a step. */
bool ps_resample_is_due(const ps_trainer *trainer);
/* Uses x and row_loss of the step that was just done. */
void ps_resample(ps_trainer *trainer);

#endif
