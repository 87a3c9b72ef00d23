/* sae/adam.h: one step of Adam (Kingma, Ba, arXiv 1412.6980), as torch.optim.Adam computes it.
 *
 *   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
 *   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
 * Every element is computed by itself: an array may be cut anywhere without changing its bits. */
#ifndef PS_SAE_ADAM_H
#define PS_SAE_ADAM_H

#include <stddef.h>
#include <stdint.h>

typedef struct ps_adam_options {
	double beta1, beta2, epsilon;
} ps_adam_options;

/* What the elements of a step share. */
typedef struct ps_adam {
	float beta1, one_less_beta1, beta2, one_less_beta2, epsilon;
	float rate;       /* lr / (1 - b1^t) */
	float correction; /* 1 / sqrt(1 - b2^t) */
} ps_adam;

/* The coefficients of step t, which counts from 1. */
ps_adam ps_adam_at(const ps_adam_options *options, double lr, uint64_t t);

/* Updates parameters p and moments m and v (n each) from gradients g (n). No two overlap. */
void ps_adam_update(const ps_adam *adam, float *p, float *m, float *v, const float *g, size_t n);

#endif
