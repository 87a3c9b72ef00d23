#include "sae/adam.h"

#include <math.h>

#include "core/base/clones.h"

ps_adam ps_adam_at(const ps_adam_options *o, double lr, uint64_t t)
{
	return (ps_adam){
		.beta1 = (float)o->beta1,
		.one_less_beta1 = (float)(1 - o->beta1),
		.beta2 = (float)o->beta2,
		.one_less_beta2 = (float)(1 - o->beta2),
		.epsilon = (float)o->epsilon,
		.rate = (float)(lr / (1 - pow(o->beta1, (double)t))),
		.correction = (float)(1 / sqrt(1 - pow(o->beta2, (double)t))),
	};
}

PS_CLONES void ps_adam_update(const ps_adam *adam, float *restrict p, float *restrict m,
			      float *restrict v, const float *restrict g, size_t n)
{
	const float b1 = adam->beta1, c1 = adam->one_less_beta1, b2 = adam->beta2,
		    c2 = adam->one_less_beta2;
	const float rate = adam->rate, correction = adam->correction, epsilon = adam->epsilon;

	for (size_t i = 0; i < n; i++) {
		m[i] = b1 * m[i] + c1 * g[i];
		v[i] = b2 * v[i] + c2 * g[i] * g[i];
		p[i] -= rate * m[i] / (sqrtf(v[i]) * correction + epsilon);
	}
}
