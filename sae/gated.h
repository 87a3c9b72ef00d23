/* sae/gated.h: training of gated SAEs (Rajamanoharan et al., arXiv 2404.16014, eq. 3-10), as
 * SAELens does it.
 *
 *   y = W_enc (x - b_dec),  pi = y + b_gate,  m = exp(r_mag) y + b_mag,  f = [pi > 0] max(m, 0)
 *   loss     |x - x_hat(f)|^2 + |x - x_hat(max(pi, 0))|^2
 *   penalty  u lambda sum_j max(pi_j, 0) n_j,  n_j = |dec_j|
 * b_gate is the SAE's b_enc. The second reconstruction is the branch t->gate. Both branches list
 * the latents with pi > 0, in the same order. With the option gate_alone, as in the paper, the
 * second reconstruction trains neither the decoder nor b_dec; in SAELens it trains both. */
#ifndef PS_SAE_GATED_H
#define PS_SAE_GATED_H

#include "sae/arch.h"

extern const ps_arch ps_arch_gated;

#endif
