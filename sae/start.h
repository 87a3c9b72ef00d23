/* sae/start.h: the values that training starts from.
 *
 *   decoder rows  random directions of norm decoder_norm (row j: stream j of init_seed)
 *   encoder       encoder_scale times the decoder
 *   b_enc         0
 *   s             sqrt(D) / (mean |x|), over a sample of up to 65,536 rows spread over all rows
 *   b_dec         0, or the mean of s x over that sample, or s times the geometric median of a
 *                 batch of rows so spread. The median is Weiszfeld's iteration from the mean, until
 *                 a step moves it by less than 1e-6 of its size, or 100 times */
#ifndef PS_SAE_START_H
#define PS_SAE_START_H

#include "sae/trainer.h"

/* Writes row `latent` of the decoder at its start (D values, norm `norm`) into row. */
void ps_start_direction(uint64_t init_seed, size_t latent, size_t d, double norm, float *row);

/* Sets the trainer's whole state. like is NULL or a trainer at its start on the same feed: where
 * the seeds and b_dec's start agree, its sample serves and is not read again. PS_EINPUT when the
 * rows hold values that are not finite; errors of reading. */
int ps_start_values(ps_trainer *trainer, const ps_trainer *like) PS_MUST_USE;

#endif
