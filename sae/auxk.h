/* sae/auxk.h: the auxiliary loss that revives dead latents (Gao et al., arXiv 2406.04093, A.2).
 *
 *   e = x - x_hat,  e_hat = W_dec^T topk_{k_aux}(z of the dead latents)
 *   loss += coefficient * w * sum |e - e_hat|^2
 * e counts as a constant here. k_aux is D / 2, or the number n of dead latents where that is less.
 * Nothing is done while no latent is dead. The forms differ in w, with u the loss's unit, and more:
 *   form        w                        the selected z    which latents are dead
 *   paper       u                        after a ReLU      those dead before the step
 *   saelens     u min(n / (D / 2), 1)    of any sign       those dead before the step
 *   sparsify    u min(n / (D / 2), 1)    after a ReLU      those dead before the step
 *   dictionary  1 / sum |e - mean e|^2   after a ReLU      those silent in this step as well
 * `dictionary` is dictionary_learning's form. sparsify's own backward pass gives the encoder no
 * gradient of this loss; here the encoder gets one. */
#ifndef PS_SAE_AUXK_H
#define PS_SAE_AUXK_H

#include <stdint.h>

#include "sae/branch.h"
#include "sae/train_options.h"

typedef struct ps_auxk ps_auxk;

/* Lists the buffers for batches of up to `rows` rows. NULL while counting. sae, the one that is
 * being trained, is borrowed. */
ps_auxk *ps_auxk_lay_out(ps_sae_layout *layout, const ps_sae *sae, const ps_train_options *options,
			 size_t rows);

/* Copies the encoder rows of the latents that are marked in dead (F); returns their number. With
 * norm (F), latents will be chosen by z_j norm[j]; with NULL, by z_j. norm is borrowed until the
 * next call. */
size_t ps_auxk_gather(ps_auxk *auxk, const uint8_t *dead, const float *norm);

/* w above, for the latents gathered last. variance: sum |e - mean e|^2. */
double ps_auxk_weight(const ps_auxk *auxk, double unit, double variance);

/* Lets the latents gathered last, at least one, reconstruct -error (rows, D) from x (rows, D).
 * error is the main branch's. Returns the branch with its codes, losses and gradients, which are
 * multiplied by scale; it is valid until the next call. */
const ps_branch *ps_auxk_backward(ps_auxk *auxk, const float *x, const float *error, size_t rows,
				  float scale);

#endif
