/* sae/start.h: the values that training starts from.
 *
 *   decoder rows: random directions (stream j of init_seed), of norm decoder_norm; encoder = encoder_scale decoder;
 *   biases 0
 *   s = sqrt(D) / mean |x|, b_dec = mean of s x, over 65,536 rows spread over all; or the geometric median of a batch
 *   of rows so spread (Weiszfeld's iteration from their mean, to a relative 1e-6 or 100 times) */
#ifndef PS_SAE_START_H
#define PS_SAE_START_H

#include "sae/trainer.h"

/* like: a trainer at its start on the same rows and batches, whose sample serves where the seeds agree; or NULL. */
int ps_start_values(ps_trainer *trainer, const ps_trainer *like) PS_MUST_USE;

#endif
