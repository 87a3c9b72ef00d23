#include "tools/study/correction.h"

#include <math.h>

#define RATIO_MAX 20.0 /* of time taken to estimate, or of estimate to time taken, for one step */
#define PRIOR_SECONDS 1.0
#define PRIOR_STEPS 0.5
#define PRIOR_KINDS 0.5 /* weight of a factor of 1 among the kinds' factors */

static bool usable(double seconds)
{
	return seconds > 0 && isfinite(seconds);
}

static double clamp(double ratio)
{
	return fmin(fmax(ratio, 1 / RATIO_MAX), RATIO_MAX);
}

void ps_correction_add(ps_correction *c, int kind, double estimated, double taken)
{
	if (!usable(estimated) || !usable(taken))
		return;
	c->kind[kind].estimated += estimated;
	c->kind[kind].taken += estimated * clamp(taken / estimated);
	c->kind[kind].steps++;
}

static double factor(const ps_corrected *k, double common)
{
	const double mean = k->steps ? k->estimated / (double)k->steps : 0,
		     prior = PRIOR_SECONDS + PRIOR_STEPS * mean;

	return (prior * common + k->taken) / (prior + k->estimated);
}

/* The weight of a kind is at most 1. So one kind with bad estimates does not decide. */
static double common_factor(const ps_correction *c)
{
	double logs = 0, weights = PRIOR_KINDS;

	for (int i = 0; i < PS_CORRECTED_KINDS; i++) {
		const ps_corrected *k = &c->kind[i];
		const double weight = k->estimated / (k->estimated + PRIOR_SECONDS);

		if (k->steps)
			logs += weight * log(factor(k, 1));
		weights += weight;
	}
	return exp(logs / weights);
}

double ps_correction_factor(const ps_correction *c, int kind)
{
	return clamp(factor(&c->kind[kind], common_factor(c)));
}
