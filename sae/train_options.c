#include "sae/train_options.h"

#include <math.h>

#include "sae/schedule.h"

size_t ps_train_batch_rows(const ps_train_options *options)
{
	return options->tokens < options->batch ? (size_t)options->tokens : options->batch;
}

uint64_t ps_trainer_steps(const ps_train_options *options)
{
	const size_t batch = ps_train_batch_rows(options);

	return batch ? options->tokens / batch : 0;
}

static bool fraction(double x)
{
	return x >= 0 && x <= 1;
}

static bool finite_and_positive(double x)
{
	return x > 0 && isfinite(x);
}

static bool zero_or_positive(double x)
{
	return x >= 0 && isfinite(x);
}

static int check_schedules(const ps_train_options *o, ps_diag *diag)
{
	if (!finite_and_positive(o->lr))
		return ps_fail(diag, PS_EUSAGE, "the learning rate must be positive");
	if (!(o->adam.beta1 >= 0 && o->adam.beta1 < 1 && o->adam.beta2 > 0 && o->adam.beta2 < 1 &&
	      finite_and_positive(o->adam.epsilon)))
		return ps_fail(
			diag, PS_EUSAGE,
			"Adam's betas must lie between 0 and 1, its epsilon must be positive");
	if (!fraction(o->warmup_fraction) || !fraction(o->decay_fraction) ||
	    !fraction(o->sparsity_warmup) || !fraction(o->k_fraction))
		return ps_fail(
			diag, PS_EUSAGE,
			"warm-up, decay and annealing are fractions of the run, between 0 and 1");
	if (!fraction(o->lr_end) || !zero_or_positive(o->clip))
		return ps_fail(diag, PS_EUSAGE,
			       "the last rate is a share of the rate, and the largest gradient is "
			       "positive, or 0 for none");
	return 0;
}

static int check_frozen(const ps_train_options *o, ps_diag *diag)
{
	if (o->frozen != PS_FROZEN_NOTHING && o->resample_tokens)
		return ps_fail(diag, PS_EUSAGE,
			       "resampling gives dead latents new directions, so nothing can be "
			       "frozen with it");
	return 0;
}

static int check_matryoshka(const ps_train_options *o, ps_diag *diag)
{
	size_t below = 0;

	if (o->matryoshka_levels && o->arch != PS_TRAIN_BATCHTOPK)
		return ps_fail(diag, PS_EUSAGE, "nested levels go with batchtopk");
	if (o->matryoshka_levels > PS_MATRYOSHKA_MAX)
		return ps_fail(diag, PS_EUSAGE, "at most %d nested levels", PS_MATRYOSHKA_MAX);
	for (size_t l = 0; l < o->matryoshka_levels; l++) {
		if (o->matryoshka_width[l] <= below || o->matryoshka_width[l] >= o->d_sae)
			return ps_fail(
				diag, PS_EUSAGE,
				"nested levels are ascending and below the number of latents, %zu",
				o->d_sae);
		below = o->matryoshka_width[l];
	}
	return 0;
}

/* Checks what belongs to an architecture. */
static int check_arch(const ps_train_options *o, ps_diag *diag)
{
	const bool topk = o->arch == PS_TRAIN_TOPK || o->arch == PS_TRAIN_BATCHTOPK;

	if (topk && (!o->k || ps_schedule_k_max(o) > o->d_sae))
		return ps_fail(diag, PS_EUSAGE,
			       "k is %zu, it must lie between 1 and the number of latents, %zu",
			       ps_schedule_k_max(o), o->d_sae);
	if (o->arch == PS_TRAIN_BATCHTOPK && !(o->threshold_rate > 0 && o->threshold_rate <= 1))
		return ps_fail(diag, PS_EUSAGE,
			       "the rate of the threshold must lie between 0 and 1");
	if (!topk && o->auxk_coefficient != 0)
		return ps_fail(diag, PS_EUSAGE,
			       "the auxiliary loss for dead latents goes with topk and batchtopk; "
			       "resampling goes with all");
	if (!topk && !zero_or_positive(o->sparsity))
		return ps_fail(diag, PS_EUSAGE,
			       "the coefficient of the sparsity penalty must be 0 or positive");
	if (o->arch == PS_TRAIN_JUMPRELU &&
	    (!finite_and_positive(o->bandwidth) || !zero_or_positive(o->threshold_start)))
		return ps_fail(
			diag, PS_EUSAGE,
			"jumprelu's bandwidth must be positive, its first threshold 0 or positive");
	if (o->arch == PS_TRAIN_JUMPRELU && o->l0_penalty == PS_L0_TARGET &&
	    !(o->target_l0 > 0 && o->target_l0 <= (double)o->d_sae))
		return ps_fail(diag, PS_EUSAGE,
			       "the target L0 must lie between 0 and the number of latents, %zu",
			       o->d_sae);
	if (o->arch == PS_TRAIN_JUMPRELU && o->l0_penalty == PS_L0_TANH &&
	    !finite_and_positive(o->tanh_scale))
		return ps_fail(diag, PS_EUSAGE, "the scale of the tanh penalty must be positive");
	return check_matryoshka(o, diag);
}

int ps_train_options_check(const ps_train_options *o, size_t d_in, ps_diag *diag)
{
	int rc;

	if (!o->batch || !o->tokens || o->batch > UINT32_MAX || !o->d_sae || !d_in)
		return ps_fail(diag, PS_EUSAGE,
			       "training needs at least one latent, one token and a batch of at "
			       "least one row");
	rc = check_schedules(o, diag);
	if (rc)
		return rc;
	if (!zero_or_positive(o->auxk_coefficient))
		return ps_fail(diag, PS_EUSAGE,
			       "the coefficient of the auxiliary loss must be 0 or positive");
	if (!finite_and_positive(o->decoder_norm))
		return ps_fail(diag, PS_EUSAGE, "the decoder's first norm must be positive");
	if (!finite_and_positive(o->encoder_scale))
		return ps_fail(diag, PS_EUSAGE, "the encoder's first scale must be positive");
	rc = check_frozen(o, diag);
	return rc ? rc : check_arch(o, diag);
}
