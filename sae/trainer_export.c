#include "sae/trainer_export.h"

#include "core/base/finite.h"
#include "sae/sparse.h"
#include "sae/trainer.h"

ps_sae_arch ps_train_saved_arch(ps_train_arch arch)
{
	switch (arch) {
	case PS_TRAIN_TOPK:
		return PS_SAE_TOPK;
	case PS_TRAIN_BATCHTOPK:
	case PS_TRAIN_JUMPRELU:
		return PS_SAE_JUMPRELU;
	case PS_TRAIN_RELU:
		return PS_SAE_RELU;
	case PS_TRAIN_GATED:
		return PS_SAE_GATED;
	}
	return PS_SAE_TOPK;
}

/* Whether decoder rows are brought to norm 1 and activations multiplied by the rows' norms. Not for
 * a topk that selects by z alone: other latents would be selected. */
static bool norms_are_folded(const ps_train_options *o)
{
	return !o->unit_decoder && (o->arch != PS_TRAIN_TOPK || o->rescale);
}

/* Writes latent j. It was trained on s x and gets x now: its activations become smaller by s, and
 * larger by n, the norm that its decoder row loses. */
static void export_latent(const ps_trainer *t, ps_sae *out, size_t j)
{
	const size_t d = t->sae.d_in, at = j * d;
	const double n = norms_are_folded(&t->options) ? ps_norm_in_order(t->sae.dec + at, d) : 1,
		     by = n / *t->scale;
	/* batchtopk's threshold is one of z n where latents are chosen by z n, else one of z. */
	const double batch_by = t->options.rescale ? 1 / *t->scale : by;

	for (size_t i = 0; i < d; i++) {
		out->enc[at + i] = (float)(t->sae.enc[at + i] * n);
		out->dec[at + i] = n > 0 ? (float)(t->sae.dec[at + i] / n) : 0;
	}
	out->b_enc[j] = (float)(t->sae.b_enc[j] * by);
	if (t->options.arch == PS_TRAIN_BATCHTOPK)
		out->threshold[j] = (float)(ps_greater(*t->threshold, 0) * batch_by);
	if (t->options.arch == PS_TRAIN_JUMPRELU)
		out->threshold[j] = (float)(t->sae.threshold[j] * by);
	if (t->options.arch == PS_TRAIN_GATED) {
		out->r_mag[j] = t->sae.r_mag[j];
		out->b_mag[j] = (float)(t->sae.b_mag[j] * by);
	}
}

void ps_trainer_export(const ps_trainer *t, ps_sae *out)
{
	out->apply_b_dec_to_input = true;
	for (size_t j = 0; j < t->sae.d_sae; j++)
		export_latent(t, out, j);
	for (size_t i = 0; i < t->sae.d_in; i++)
		out->b_dec[i] = t->sae.b_dec[i] / *t->scale;
}
