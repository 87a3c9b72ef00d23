#include "sae/adam.h"

#include <math.h>

#include "core/clones.h"

#define BETA1 0.9
#define BETA2 0.999
#define EPSILON 6.25e-10f

ps_adam ps_adam_at(double lr, uint64_t t)
{
	return (ps_adam){
		.rate = (float)(lr / (1 - pow(BETA1, (double)t))),
		.correction = (float)(1 / sqrt(1 - pow(BETA2, (double)t))),
	};
}

PS_CLONES void ps_adam_update(const ps_adam *adam, float *restrict p, float *restrict m, float *restrict v,
			      const float *restrict g, size_t n)
{
	const float b1 = (float)BETA1, c1 = (float)(1 - BETA1), b2 = (float)BETA2, c2 = (float)(1 - BETA2);
	const float rate = adam->rate, correction = adam->correction;

	for (size_t i = 0; i < n; i++) {
		m[i] = b1 * m[i] + c1 * g[i];
		v[i] = b2 * v[i] + c2 * g[i] * g[i];
		p[i] -= rate * m[i] / (sqrtf(v[i]) * correction + EPSILON);
	}
}
