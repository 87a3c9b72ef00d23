/* sae/auxk.h: the auxiliary loss that revives dead latents (Gao et al., arXiv 2406.04093, appendix A.2).
 *
 *   e = x - x_hat,  e_hat = W_dec^T topk_{k_aux}(z of the dead latents),  loss += coefficient * w * sum |e - e_hat|^2
 * e is a constant here. k_aux = D / 2, at most the number of dead latents n; nothing is done while none is dead.
 *   form        w (u: the loss's unit)             the selected z     dead
 *   paper       u                                  after a ReLU       before the step
 *   saelens     u min(n / (D / 2), 1)              of any sign        before the step
 *   sparsify    u min(n / (D / 2), 1)              after a ReLU       before the step
 *   dictionary  1 / sum |e - mean e|^2             after a ReLU       silent in the step as well (dictionary_learning)
 * sparsify's own backward pass gives the encoder no gradient of this loss; here it has one. */
#ifndef PS_SAE_AUXK_H
#define PS_SAE_AUXK_H

#include <stdint.h>

#include "sae/branch.h"
#include "sae/train.h"

typedef struct ps_auxk ps_auxk;

/* Lists the buffers for batches of up to `rows` rows. NULL while counting. sae is borrowed: the one
 * that is being trained. */
ps_auxk *ps_auxk_lay_out(ps_sae_layout *layout, const ps_sae *sae, const ps_train_options *options,
			 size_t rows);

/* Takes the dead latents' encoder rows; norm (F): chosen by z norm[j]; NULL: by z. Returns their number. */
size_t ps_auxk_gather(ps_auxk *auxk, const uint8_t *dead, const float *norm);
/* The weight beside the coefficient, w above, after ps_auxk_gather. variance: sum |e - mean e|^2. */
double ps_auxk_weight(const ps_auxk *auxk, double unit, double variance);
/* The dead latents reconstruct -error (rows, D), the main branch's, from x (rows, D).
 * Returns the branch that holds codes, losses and gradients (times scale). At least one latent is dead. */
const ps_branch *ps_auxk_backward(ps_auxk *auxk, const float *x, const float *error, size_t rows,
				  float scale);

#endif
