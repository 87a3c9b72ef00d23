/* sae/matryoshka.h: nested reconstructions of batchtopk (Bussmann et al., arXiv 2503.17547), as SAELens trains them.
 *
 *   loss = sum |x - x_hat|^2 + sum over levels l of sum |x - x_hat_l|^2,  x_hat_l: by the latents below width[l] alone
 * One selection serves all levels. A level is a branch of its own over the codes' first latents; its gradients are
 * added to the main branch's. AuxK reconstructs the error of the whole. Cost: what the levels' active latents cost. */
#ifndef PS_SAE_MATRYOSHKA_H
#define PS_SAE_MATRYOSHKA_H

#include "sae/branch.h"
#include "sae/train.h"

typedef struct ps_matryoshka {
	size_t levels;
	size_t width[PS_MATRYOSHKA_MAX];
	ps_branch branch[PS_MATRYOSHKA_MAX];
} ps_matryoshka;

/* Lists the buffers for batches of up to `rows` rows. NULL while counting. listed: as for
 * ps_branch_lay_out. */
ps_matryoshka *ps_matryoshka_lay_out(ps_sae_layout *layout, const ps_sae *listed,
				     const ps_train_options *options, size_t rows);

/* From the main branch's codes: errors, losses and lists of every level. Returns the sum of their losses. */
double ps_matryoshka_backward(ps_matryoshka *m, const ps_codes *codes, const ps_sae *sae,
			      const float *x, float scale);

#endif
