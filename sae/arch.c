#include "sae/arch.h"

#include <math.h>

#include "core/base/checked.h"
#include "sae/batch_topk.h"
#include "sae/gated.h"
#include "sae/jumprelu.h"
#include "sae/schedule.h"

/* --- topk, batchtopk --- */

static ps_sae topk_lister(const ps_trainer *t)
{
	ps_sae lister = t->sae;

	lister.arch = PS_SAE_TOPK;
	lister.k = ps_schedule_k_max(&t->options);
	lister.rescale_by_decoder_norm = t->options.rescale;
	return lister;
}

static ps_sae batch_topk_lister(const ps_trainer *t)
{
	ps_sae lister = topk_lister(t);

	lister.k = ps_batch_topk_candidates(lister.k, lister.d_sae);
	return lister;
}

static void topk_prepare(ps_trainer *t)
{
	t->lister.k = ps_schedule_k(&t->options, *t->step, t->steps);
}

static void batch_topk_prepare(ps_trainer *t)
{
	t->lister.k = ps_batch_topk_candidates(ps_schedule_k(&t->options, *t->step, t->steps),
					       t->sae.d_sae);
}

/* Turns the values z |dec_j|, by which latents were chosen, into z. */
static void divide_by_norms(const ps_trainer *t, ps_codes *codes)
{
	for (size_t i = 0; i < codes->start[codes->rows]; i++)
		codes->value[i] /= t->norm[codes->index[i]];
}

static void topk_activate(ps_trainer *t, const ps_pass *pass)
{
	(void)pass;
	if (t->options.rescale)
		divide_by_norms(t, &t->branch.codes);
}

/* Updates the running mean of the least active value. It becomes the threshold of the saved SAE,
 * which has no batch to select from. */
static void follow_threshold(ps_trainer *t, const ps_codes *codes)
{
	const double rate = t->options.threshold_rate;
	double least = INFINITY;

	for (size_t i = 0; i < codes->start[codes->rows]; i++)
		least = codes->value[i] < least ? codes->value[i] : least;
	if (isfinite(least))
		*t->threshold =
			*t->threshold < 0 ? least : (1 - rate) * *t->threshold + rate * least;
}

static void batch_topk_activate(ps_trainer *t, const ps_pass *pass)
{
	const size_t k = ps_schedule_k(&t->options, *t->step, t->steps);
	ps_codes *codes = &t->branch.codes;

	ps_batch_topk_select(t->batch_topk, pass->x, k * pass->rows, t->lister.k, codes);
	follow_threshold(t, codes);
	if (t->options.rescale)
		divide_by_norms(t, codes);
}

static void topk_latent(ps_trainer *t, const ps_pass *pass, size_t j)
{
	(void)pass;
	t->fired[j] |= ps_branch_active(&t->branch, j) > 0;
	ps_arch_add_bias(t, &t->branch, j);
}

/* --- relu --- */

static ps_sae relu_lister(const ps_trainer *t)
{
	ps_sae lister = t->sae;

	lister.arch = PS_SAE_RELU;
	return lister;
}

static void relu_activate(ps_trainer *t, const ps_pass *pass)
{
	(void)t, (void)pass;
}

static void relu_latent(ps_trainer *t, const ps_pass *pass, size_t j)
{
	const ps_by_latent *lists = &t->branch.lists;
	const size_t begin = lists->start[j], end = lists->start[j + 1];
	const float weight = ps_penalty_unit(pass) * t->norm[j];
	double sum = 0;

	for (size_t i = begin; i < end; i++) {
		lists->gradient[i] += weight;
		sum += lists->value[i];
	}
	sum /= pass->scale;
	t->fired[j] |= end > begin;
	t->penalty[j] += sum * t->norm[j];
	t->along[j] += t->norm[j] > 0 ? (float)(pass->unit * pass->sparsity * sum / t->norm[j]) : 0;
	ps_arch_add_bias(t, &t->branch, j);
}

static const ps_arch topk = {.lister = topk_lister,
			     .prepare = topk_prepare,
			     .activate = topk_activate,
			     .latent = topk_latent};
static const ps_arch batch_topk = {
	.lister = batch_topk_lister,
	.prepare = batch_topk_prepare,
	.activate = batch_topk_activate,
	.latent = topk_latent,
};
static const ps_arch relu = {.dense = true,
			     .norms = true,
			     .lister = relu_lister,
			     .activate = relu_activate,
			     .latent = relu_latent};

const ps_arch *ps_arch_of(ps_train_arch arch)
{
	switch (arch) {
	case PS_TRAIN_TOPK:
		return &topk;
	case PS_TRAIN_BATCHTOPK:
		return &batch_topk;
	case PS_TRAIN_JUMPRELU:
		return &ps_arch_jumprelu;
	case PS_TRAIN_RELU:
		return &relu;
	case PS_TRAIN_GATED:
		return &ps_arch_gated;
	}
	return NULL;
}
