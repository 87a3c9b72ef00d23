/* sae/adam.h: one step of Adam (Kingma, Ba, arXiv 1412.6980), as torch.optim.Adam computes it.
 *
 *   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
 *   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 * b1 = 0.9, b2 = 0.999, eps = 6.25e-10 (Gao et al., arXiv 2406.04093, appendix A.1). Elementwise: same bits
 * however an array is cut. */
#ifndef PS_SAE_ADAM_H
#define PS_SAE_ADAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct ps_adam {
	float rate;       /* lr / (1 - b1^t) */
	float correction; /* 1 / sqrt(1 - b2^t) */
} ps_adam;

/* t counts from 1. */
ps_adam ps_adam_at(double lr, uint64_t t);

void ps_adam_update(const ps_adam *adam, float *p, float *m, float *v, const float *g, size_t n);

#endif
