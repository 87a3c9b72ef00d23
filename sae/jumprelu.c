#include "sae/jumprelu.h"

#include <math.h>

#include "core/base/checked.h"
#include "core/base/finite.h"

enum { ROWS_AN_ITEM = 16 };

static ps_sae jumprelu_lister(const ps_trainer *t)
{
	ps_sae lister = t->sae;

	lister.arch = PS_SAE_JUMPRELU;
	lister.threshold = t->lower;
	lister.signed_values = true;
	return lister;
}

static void jumprelu_prepare(ps_trainer *t)
{
	const float half = (float)(t->options.bandwidth / 2);

	for (size_t j = 0; j < t->sae.d_sae; j++)
		t->lower[j] = t->sae.threshold[j] - half;
}

static void activate_rows(void *context, size_t item, int worker)
{
	ps_trainer *t = context;
	ps_codes *codes = &t->branch.codes;
	const size_t first = item * ROWS_AN_ITEM,
		     end = ps_min_size(first + ROWS_AN_ITEM, codes->rows);

	(void)worker;
	for (size_t r = first; r < end; r++) {
		uint32_t active = 0;

		for (size_t i = codes->start[r]; i < codes->start[r + 1]; i++) {
			const bool above = codes->value[i] > t->sae.threshold[codes->index[i]];

			codes->value[i] = above ? codes->value[i] : 0;
			active += above;
		}
		t->active[r] = active;
	}
}

static void jumprelu_activate(ps_trainer *t, const ps_pass *pass)
{
	ps_pool_run(t->context->pool, ps_pool_items(pass->rows, ROWS_AN_ITEM), activate_rows, t);
}

/* What the entries of one latent share, and the sums over them. */
struct estimator {
	const ps_train_options *options;
	float theta, norm, half, unit; /* half the bandwidth; the penalty's unit */
	double theta_gradient, penalty, along;
};

/* The step and target penalties' gradient of [z > theta], on a row with l0 active latents. */
static double step_weight(const struct estimator *e, uint32_t l0)
{
	const double target = e->options->target_l0;

	switch (e->options->l0_penalty) {
	case PS_L0_STEP:
		return e->unit;
	case PS_L0_TARGET:
		return e->unit * 4 / target * (l0 - target);
	case PS_L0_TANH:
		break;
	}
	return 0;
}

/* Adds an activation's tanh penalty to the sums; returns the penalty's gradient of f. */
static double tanh_gradient(struct estimator *e, double f)
{
	const double scale = e->options->tanh_scale, value = tanh(scale * f * e->norm),
		     slope = e->unit * scale * (1 - value * value);

	e->penalty += value;
	e->along += slope * f;
	return slope * e->norm;
}

/* Takes one entry: its f, 0 where it is not active, and the reconstruction's gradient df. Adds to
 * the gradient of theta; returns dz. */
static double estimate(struct estimator *e, double f, double df, uint32_t l0)
{
	const bool active = f > 0, near = !active || f - e->theta < e->half;
	const double step = near ? step_weight(e, l0) / e->options->bandwidth : 0;
	double jump;

	if (e->options->l0_penalty == PS_L0_TANH)
		df += tanh_gradient(e, f);
	jump = near ? e->theta / e->options->bandwidth * df : 0;
	e->theta_gradient -= jump + step;
	return (active ? df : 0) + (e->options->ste_to_input ? jump + step : 0);
}

static double row_penalty(const ps_train_options *o, uint32_t l0)
{
	return o->l0_penalty == PS_L0_TARGET
		       ? 2 / o->target_l0 * (l0 - o->target_l0) * (l0 - o->target_l0)
		       : l0;
}

static void jumprelu_latent(ps_trainer *t, const ps_pass *pass, size_t j)
{
	const ps_by_latent *lists = &t->branch.lists;
	struct estimator e = {
		.options = &t->options,
		.theta = t->sae.threshold[j],
		.norm = t->norm[j],
		.half = (float)(t->options.bandwidth / 2),
		.unit = ps_penalty_unit(pass),
	};

	for (size_t i = lists->start[j]; i < lists->start[j + 1]; i++) {
		const double f = lists->value[i] / pass->scale;

		t->fired[j] |= f > 0;
		lists->gradient[i] =
			(float)estimate(&e, f, lists->gradient[i], t->active[lists->row[i]]);
	}
	t->extra_gradient[0][j] += (float)e.theta_gradient;
	t->penalty[j] += e.penalty;
	t->along[j] += e.norm > 0 ? (float)(e.along / e.norm) : 0;
	/* The step and target penalties belong to rows, not to latents: latent 0 adds them. */
	if (!j && t->options.l0_penalty != PS_L0_TANH)
		for (size_t r = 0; r < pass->rows; r++)
			t->penalty[0] += row_penalty(&t->options, t->active[r]);
	ps_arch_add_bias(t, &t->branch, j);
}

const ps_arch ps_arch_jumprelu = {
	.extras = 1,
	.extra_names = {{"threshold", "threshold_m", "threshold_v"}},
	.dense = true,
	.norms = true,
	.lister = jumprelu_lister,
	.prepare = jumprelu_prepare,
	.activate = jumprelu_activate,
	.latent = jumprelu_latent,
};

void ps_jumprelu_clamp(ps_trainer *t)
{
	for (size_t j = 0; j < t->sae.d_sae; j++)
		t->sae.threshold[j] = (float)ps_greater((double)t->sae.threshold[j], 0);
}
