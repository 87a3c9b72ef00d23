#include "sae/schedule.h"

#include <math.h>

#include "core/base/checked.h"

double ps_schedule_rate(const ps_train_options *o, uint64_t step, uint64_t steps)
{
	const double warmup = o->warmup_fraction * (double)steps,
		     decay = o->decay_fraction * (double)steps;
	const double begun = (double)(step + 1), left = (double)(steps - step);
	double factor = 1;

	if (begun < warmup)
		factor = begun / warmup;
	if (left < decay && o->decay == PS_DECAY_LINEAR)
		factor *= o->lr_end + (1 - o->lr_end) * left / decay;
	else if (left < decay)
		factor *= o->lr_end + (1 - o->lr_end) * (1 + cos(M_PI * (1 - left / decay))) / 2;
	return o->lr * factor;
}

double ps_schedule_sparsity(const ps_train_options *o, uint64_t step, uint64_t steps)
{
	const double warmup = o->sparsity_warmup * (double)steps;

	return (double)step < warmup ? o->sparsity * (double)step / warmup : o->sparsity;
}

size_t ps_schedule_k(const ps_train_options *o, uint64_t step, uint64_t steps)
{
	const double length = o->k_fraction * (double)steps;
	double share;

	if (!o->k_start || (double)step >= length)
		return o->k;
	share = (double)step / length;
	return (size_t)llround((double)o->k_start * (1 - share) + (double)o->k * share);
}

size_t ps_schedule_k_max(const ps_train_options *o)
{
	return ps_max_size(o->k, o->k_start);
}
