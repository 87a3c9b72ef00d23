/* sae/auxk.h: the auxiliary loss that revives dead latents (Gao et al., arXiv 2406.04093, appendix A.2).
 *
 *   e = x - x_hat,  e_hat = W_dec^T topk_{k_aux}(z of the dead latents),  loss += coefficient * mean |e - e_hat|^2 / D
 * e is a constant here. k_aux = D / 2, at most the number of dead latents; nothing is done while none is dead. */
#ifndef PS_SAE_AUXK_H
#define PS_SAE_AUXK_H

#include <stdint.h>

#include "sae/branch.h"

typedef struct ps_auxk ps_auxk;

size_t ps_auxk_bytes(const ps_sae *sae, int threads, size_t rows);
/* sae is borrowed: the one that is being trained. */
int ps_auxk_create(ps_auxk **auxk, const ps_sae *sae, size_t rows, const ps_context *context, ps_arena *arena) PS_MUST_USE;

/* Latents with since_fired[j] >= dead_after reconstruct -error (rows, D), the main branch's, from x (rows, D).
 * Returns the branch that holds codes, losses and gradients (times scale), or NULL when no latent is dead. */
const ps_branch *ps_auxk_backward(ps_auxk *auxk, const uint64_t *since_fired, uint64_t dead_after, const float *x,
				  const float *error, size_t rows, float scale);

#endif
