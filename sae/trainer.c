#include "sae/trainer.h"

#include "core/base/checked.h"
#include "sae/arch.h"
#include "sae/schedule.h"
#include "sae/update.h"

enum { PASS_ENTRIES = 1 << 21 }; /* entries of a pass where a row may list every latent */

/* Rows of a pass. They depend on the shapes alone, because sums are grouped by passes. */
static size_t pass_rows(const ps_train_options *o)
{
	if (!ps_arch_of(o->arch)->dense)
		return ps_train_batch_rows(o);
	return ps_min_size(ps_train_batch_rows(o), ps_max_size(PASS_ENTRIES / o->d_sae, 16));
}

/* The most latents that a row may list. */
static size_t listed_max(const ps_train_options *o)
{
	const size_t k = ps_schedule_k_max(o);

	switch (o->arch) {
	case PS_TRAIN_TOPK:
		return k;
	case PS_TRAIN_BATCHTOPK:
		return ps_batch_topk_candidates(k, o->d_sae);
	default:
		return o->d_sae;
	}
}

bool ps_trainer_fits(size_t d_in, const ps_train_options *o)
{
	const size_t f = o->d_sae, rows = ps_train_batch_rows(o);
	size_t elements, entries;

	return f && f <= UINT32_MAX && rows <= UINT32_MAX && ps_schedule_k_max(o) <= f &&
	       ps_size_mul(d_in, f, &elements) &&
	       ps_size_mul(elements, 8 * sizeof(float), &elements) &&
	       ps_size_mul(rows, ps_max_size(d_in, listed_max(o)) * 16 * sizeof(float), &entries);
}

/* The architecture whose parameters the run has; batchtopk has topk's. */
static ps_sae_arch held_arch(ps_train_arch arch)
{
	return arch == PS_TRAIN_BATCHTOPK ? PS_SAE_TOPK : ps_train_saved_arch(arch);
}

static ps_moments lay_out_moments(ps_sae_layout *layout, size_t count)
{
	return (ps_moments){.m = ps_sae_floats(layout, count, 1),
			    .v = ps_sae_floats(layout, count, 1)};
}

static void lay_out_state(ps_sae_layout *layout, ps_trainer *t)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;

	ps_sae_lay_out(layout, &t->sae);
	t->enc = lay_out_moments(layout, f * d);
	t->dec = lay_out_moments(layout, f * d);
	t->b_enc = lay_out_moments(layout, f);
	t->b_dec = lay_out_moments(layout, d);
	t->extra[0] = t->sae.threshold ? t->sae.threshold : t->sae.r_mag;
	t->extra[1] = t->sae.b_mag;
	for (int i = 0; i < t->arch->extras; i++)
		t->extra_moments[i] = lay_out_moments(layout, f);
	t->since_fired = ps_sae_part(layout, f, sizeof *t->since_fired);
	t->step = ps_sae_part(layout, 1, sizeof *t->step);
	t->scale = ps_sae_part(layout, 1, sizeof *t->scale);
	t->threshold = ps_sae_part(layout, 1, sizeof *t->threshold);
}

static void lay_out_scratch(ps_sae_layout *layout, ps_trainer *t)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;

	t->row_loss = ps_sae_part(layout, t->options.batch, sizeof *t->row_loss);
	t->active = ps_sae_part(layout, t->pass_rows, sizeof *t->active);
	t->lower = ps_sae_floats(layout, f, 1);
	t->norm = ps_sae_floats(layout, f, 1);
	t->b_enc_gradient = ps_sae_floats(layout, f, 1);
	t->through_input = ps_sae_floats(layout, f, 1);
	t->along = ps_sae_floats(layout, f, 1);
	for (int i = 0; i < t->arch->extras; i++)
		t->extra_gradient[i] = ps_sae_floats(layout, f, 1);
	t->penalty = ps_sae_part(layout, f, sizeof *t->penalty);
	t->square = ps_sae_part(layout, f, sizeof *t->square);
	t->fired = ps_sae_part(layout, f, sizeof *t->fired);
	t->dead = ps_sae_part(layout, f, sizeof *t->dead);
	t->error_sum = ps_sae_part(layout, d, sizeof *t->error_sum);
	t->column_variance = ps_sae_part(layout, d, sizeof *t->column_variance);
	t->b_dec_gradient = ps_sae_floats(layout, d, 1);
	ps_update_lay_out(layout, t);
}

static void lay_out_branches(ps_sae_layout *layout, ps_trainer *t)
{
	const ps_train_options *o = &t->options;
	/* A branch needs to know how many latents a row lists, not how they are chosen. */
	const ps_sae listed = {
		.arch = PS_SAE_TOPK, .d_in = t->sae.d_in, .d_sae = o->d_sae, .k = listed_max(o)};

	t->lister = t->arch->lister(t);
	t->encoder = ps_encoder_lay_out(layout, &t->lister, t->pass_rows);
	ps_branch_lay_out(layout, &t->branch, &listed, t->pass_rows);
	if (t->arch->gate)
		ps_branch_lay_out(layout, &t->gate, &listed, t->pass_rows);
	if (o->arch == PS_TRAIN_BATCHTOPK)
		t->batch_topk = ps_batch_topk_lay_out(layout, &t->lister, t->pass_rows,
						      ps_schedule_k_max(o));
	if (o->matryoshka_levels)
		t->matryoshka = ps_matryoshka_lay_out(layout, &listed, o, t->pass_rows);
	if (o->auxk_coefficient > 0)
		t->auxk = ps_auxk_lay_out(layout, &t->sae, o, t->pass_rows);
}

ps_trainer *ps_trainer_lay_out(ps_sae_layout *layout, const ps_train_options *options, size_t d_in)
{
	ps_trainer stand_in, *t = ps_sae_own(layout, &stand_in, sizeof *t);

	*t = (ps_trainer){.options = *options,
			  .arch = ps_arch_of(options->arch),
			  .context = layout->context,
			  .steps = ps_trainer_steps(options),
			  .pass_rows = pass_rows(options)};
	t->options.batch = ps_train_batch_rows(options);
	t->gathers = options->clip > 0 || t->pass_rows < t->options.batch;
	t->sae = (ps_sae){.arch = held_arch(options->arch),
			  .d_in = d_in,
			  .d_sae = options->d_sae,
			  .k = options->k};
	lay_out_state(layout, t);
	lay_out_scratch(layout, t);
	lay_out_branches(layout, t);
	return layout->parts.arena ? t : NULL;
}
