/* sae/matryoshka.h: nested reconstructions of batchtopk (Bussmann et al., arXiv 2503.17547), as
 * SAELens trains them.
 *
 *   loss = sum |x - x_hat|^2 + sum over levels l of sum |x - x_hat_l|^2
 *   x_hat_l: the reconstruction by the latents below width[l] alone
 * All levels use one selection of latents. A level is a branch over the first latents of each row's
 * code, and its gradients are added to the main branch's. AuxK reconstructs the error of the whole
 * SAE. The cost of a level is that of its active latents. */
#ifndef PS_SAE_MATRYOSHKA_H
#define PS_SAE_MATRYOSHKA_H

#include "sae/branch.h"
#include "sae/train_options.h"

typedef struct ps_matryoshka {
	size_t levels;
	size_t width[PS_MATRYOSHKA_MAX]; /* ascending */
	ps_branch branch[PS_MATRYOSHKA_MAX];
} ps_matryoshka;

/* Lists the buffers for batches of up to `rows` rows. NULL while counting. listed: as for
 * ps_branch_lay_out. */
ps_matryoshka *ps_matryoshka_lay_out(ps_sae_layout *layout, const ps_sae *listed,
				     const ps_train_options *options, size_t rows);

/* Computes errors, losses and lists of every level from the main branch's codes and x (rows, D).
 * scale: of the gradients. Returns the sum of the levels' losses. */
double ps_matryoshka_backward(ps_matryoshka *m, const ps_codes *codes, const ps_sae *sae,
			      const float *x, float scale);

#endif
