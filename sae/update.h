/* sae/update.h: the end of a training step, from the lists of its branches to the parameters.
 *
 *   g_enc[j] = sum_r dz[r, j] x[r],   g_dec[j] = scale sum_r f[r, j] error[r] + along[j] dec[j]
 *   along[j]: the penalty's part, and where decoder rows keep norm 1, what removes the gradient
 *   along the row
 *   clipping: all gradients times min(1, clip / (|gradients| + 1e-6)), as torch's clip_grad_norm_
 *   Adam (sae/adam.h); then, where decoder rows keep norm 1, dec[j] / |dec[j]|
 * The rows of a latent lie all over x and error, (B, D) each. There are two ways through them:
 *   strips  x and error are taken in strips of PS_UPDATE_STRIP columns. A strip of both is copied
 *           together first; then all latents are updated from it, and find its rows in a cache and
 *           in few pages. With D = 1,152, F = 9,216 and batches of 4,096 this takes 68 ms instead
 *           of 98 ms.
 *   gather  whole rows of gradients are gathered into (F, D) matrices before anything is updated.
 *           Clipping needs this, and so does a batch that goes through in several passes.
 * Sums run over a latent's rows in ascending order and over strips in order: the same bits for any
 * threads. */
#ifndef PS_SAE_UPDATE_H
#define PS_SAE_UPDATE_H

#include "sae/trainer.h"

#define PS_UPDATE_STRIP (2 * PS_STRIP)

/* Lists the update's buffers: the (F, D) matrices where t->gathers, else the strips. */
void ps_update_lay_out(ps_sae_layout *layout, ps_trainer *t);

/* Adds the pass's gradients, without what is along dec[j], to t->enc_gradient and t->dec_gradient.
 * Only where t->gathers. */
void ps_update_gather(ps_trainer *t, const ps_pass *pass);
/* Updates every parameter. pass is the step's last one, or its only one. */
void ps_update_run(ps_trainer *t, const ps_pass *pass, double lr);

#endif
