/* sae/jumprelu.h: training of JumpReLU SAEs with straight-through estimators (Rajamanoharan et al.,
 * arXiv 2407.14435).
 *
 *   f = z where z > theta_j, else 0
 *   K(z) = 1 where |z - theta_j| < b / 2, else 0;  b: the bandwidth
 *   df/dz = [z > theta_j]
 *   df/dtheta_j = -(theta_j / b) K(z);  d[z > theta_j]/dtheta_j = -(1 / b) K(z)
 * With ste_to_input (Anthropic, January 2025), df/dz and d[z > theta_j]/dz get the negatives of the
 * last two as well.
 * The penalty of a row is u lambda times, with l0 its active latents:
 *   step    l0
 *   target  2 / t (l0 - t)^2,  t: target_l0 (Gemma Scope 2; "quadratic" in SAELens)
 *   tanh    sum_j tanh(c f_j n_j),  c: tanh_scale, n_j = |dec_j| (Anthropic, January 2025)
 * The parameter is theta itself, kept at 0 or above after each step, as in SAELens. The paper
 * trains its logarithm.
 * A row lists every latent with z > theta_j - b / 2. Those that are not active have f = 0. */
#ifndef PS_SAE_JUMPRELU_H
#define PS_SAE_JUMPRELU_H

#include "sae/arch.h"

extern const ps_arch ps_arch_jumprelu;

/* theta_j = max(theta_j, 0) for every latent. */
void ps_jumprelu_clamp(ps_trainer *t);

#endif
