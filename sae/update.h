/* sae/update.h: the end of a training step, from the lists of its branches to the parameters.
 *
 *   g_enc[j] = sum_r dz[r, j] x[r],   g_dec[j] = scale sum_r f[r, j] error[r] + along[j] dec[j]
 *   clip: all gradients by min(1, most / (|gradients| + 1e-6)), as torch's clip_grad_norm_
 *   Adam (sae/adam.h); then, of a unit decoder, dec[j] / |dec[j]|
 * A latent's rows come from all over x and error, (B, D) each. They are gone through in strips of columns, PS_UPDATE_STRIP
 * wide: a strip of both is copied together first, and then all latents take it, so that their rows are found in a cache
 * and in few pages (1,152 x 9,216, batches of 4,096: 68 ms instead of 98). Where gradients are clipped, or the rows go
 * through in several passes, they are gathered into (F, D) matrices instead, whole rows, before anything is updated.
 * Sums run over a latent's rows in ascending order and over strips in order: the same bits for any threads. */
#ifndef PS_SAE_UPDATE_H
#define PS_SAE_UPDATE_H

#include "sae/trainer.h"

#define PS_UPDATE_STRIP (2 * PS_STRIP)

/* Lists the update's buffers: the (F, D) matrices where t->gathers, else strips. */
void ps_update_lay_out(ps_sae_layout *layout, ps_trainer *t);

/* Adds the pass's gradients to t->enc_gradient and t->dec_gradient, but for what is along a row. */
void ps_update_gather(ps_trainer *t, const ps_pass *pass);
/* pass: the last one. */
void ps_update_run(ps_trainer *t, const ps_pass *pass, double lr);

#endif
