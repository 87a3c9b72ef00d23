#include "sae/train.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "sae/arch.h"
#include "sae/room.h"
#include "sae/schedule.h"
#include "sae/start.h"
#include "sae/trainer.h"
#include "sae/trainers.h"
#include "sae/update.h"

enum {
	STATE_PARTS = 22,
	PASS_ENTRIES = 1 << 21, /* of a pass where a row may list every latent */
};

size_t ps_train_batch_rows(const ps_train_options *options)
{
	return options->tokens < options->batch ? (size_t)options->tokens : options->batch;
}

uint64_t ps_trainer_steps(const ps_train_options *options)
{
	const size_t batch = ps_train_batch_rows(options);

	return batch ? options->tokens / batch : 0;
}

/* Rows of a pass: a function of the shapes alone, because sums are grouped by it. */
static size_t pass_rows(const ps_train_options *o)
{
	if (!ps_arch_of(o->arch)->dense)
		return ps_train_batch_rows(o);
	return ps_min_size(ps_train_batch_rows(o), ps_max_size(PASS_ENTRIES / o->d_sae, 16));
}

static bool gradients_are_stored(const ps_train_options *o)
{
	return o->clip > 0 || pass_rows(o) < ps_train_batch_rows(o);
}

/* The most latents that a row may list. */
static size_t most_listed(const ps_train_options *o)
{
	const size_t k = ps_schedule_k_most(o);

	switch (o->arch) {
	case PS_TRAIN_TOPK:
		return k;
	case PS_TRAIN_BATCHTOPK:
		return ps_batch_topk_candidates(k, o->d_sae);
	default:
		return o->d_sae;
	}
}

/* For parts that are sized by the number of latents listed, however they are chosen. */
static ps_sae listed_shape(size_t d_in, const ps_train_options *o)
{
	return (ps_sae){.arch = PS_SAE_TOPK, .d_in = d_in, .d_sae = o->d_sae, .k = most_listed(o)};
}

/* For the encoder. */
static ps_sae lister_shape(size_t d_in, const ps_train_options *o)
{
	ps_sae shape = listed_shape(d_in, o);

	shape.arch = ps_arch_of(o->arch)->dense ? PS_SAE_RELU : PS_SAE_TOPK;
	return shape;
}

/* Of the branches and encoders of a step. */
static void plan_branches(ps_plan *plan, size_t d_in, const ps_train_options *o, int threads)
{
	const ps_sae listed = listed_shape(d_in, o), lister = lister_shape(d_in, o);
	const size_t rows = pass_rows(o);

	ps_plan_add(plan, "encoder", ps_encoder_bytes(&lister, threads, rows));
	ps_plan_add(plan, "gradients", ps_branch_bytes(&listed, rows));
	if (ps_arch_of(o->arch)->gate)
		ps_plan_add(plan, "gradients of the gate", ps_branch_bytes(&listed, rows));
	if (o->auxk_coefficient > 0)
		ps_plan_add(plan, "auxiliary loss", ps_auxk_bytes(&listed, o, threads, rows));
	if (o->arch == PS_TRAIN_BATCHTOPK)
		ps_plan_add(plan, "selection over the batch",
			    ps_batch_topk_bytes(&listed, threads, rows, ps_schedule_k_most(o)));
	if (o->matryoshka_levels)
		ps_plan_add(plan, "nested levels", ps_matryoshka_bytes(&listed, o, rows));
}

size_t ps_trainer_lent_bytes(size_t d_in, const ps_train_options *o)
{
	const size_t rows = ps_train_batch_rows(o);

	return ps_round_up(rows * sizeof(uint64_t), PS_ALIGN) +
	       ps_round_up(rows * d_in * sizeof(float), PS_ALIGN);
}

static void plan_scratch(ps_plan *plan, size_t d_in, const ps_train_options *o, int threads)
{
	const size_t f = o->d_sae, rows = ps_train_batch_rows(o);

	ps_plan_add(plan, "row ids and batch", ps_trainer_lent_bytes(d_in, o));
	ps_plan_add(plan, "losses of rows", rows * sizeof(double));
	ps_plan_add(plan, "active latents of rows", pass_rows(o) * sizeof(uint32_t));
	for (int i = 0; i < 3 + 2 + PS_EXTRAS_MOST; i++)
		ps_plan_add(plan, "gradients of latents' scalars", f * sizeof(float));
	for (int i = 0; i < 2; i++) {
		ps_plan_add(plan, "sums of latents", f * sizeof(double));
		ps_plan_add(plan, "marks of latents", f);
		ps_plan_add(plan, "sums of columns", d_in * sizeof(double));
		if (gradients_are_stored(o))
			ps_plan_add(plan, "gradients of a matrix", f * d_in * sizeof(float));
	}
	ps_plan_add(plan, "gradient of the decoder's bias", d_in * sizeof(float));
	ps_plan_add(plan, "updates", ps_update_bytes(d_in, rows, threads, gradients_are_stored(o)));
}

static bool sizes_fit(size_t d_in, const ps_train_options *o)
{
	const size_t f = o->d_sae, rows = ps_train_batch_rows(o);
	size_t elements, entries;

	return f && f <= UINT32_MAX && rows <= UINT32_MAX && ps_schedule_k_most(o) <= f &&
	       ps_size_mul(d_in, f, &elements) &&
	       ps_size_mul(elements, 8 * sizeof(float), &elements) &&
	       ps_size_mul(rows, ps_max_size(d_in, most_listed(o)) * 16 * sizeof(float), &entries);
}

size_t ps_trainer_bytes(size_t d_in, const ps_train_options *o, int threads)
{
	const size_t f = o->d_sae;
	ps_plan plan = {0};

	if (!sizes_fit(d_in, o))
		return SIZE_MAX;
	ps_plan_add(&plan, "trainer", sizeof(ps_trainer));
	ps_plan_add(&plan, "parameters", ps_sae_bytes(d_in, f));
	for (int i = 0; i < 2; i++) {
		ps_plan_add(&plan, "moments of a matrix",
			    2 * ps_round_up(f * d_in * sizeof(float), PS_ALIGN));
		ps_plan_add(&plan, "moments of a bias",
			    2 * ps_round_up(ps_max_size(f, d_in) * sizeof(float), PS_ALIGN));
	}
	for (int i = 0; i < ps_arch_of(o->arch)->extras; i++)
		ps_plan_add(&plan, "moments of latents' scalars",
			    2 * ps_round_up(f * sizeof(float), PS_ALIGN));
	ps_plan_add(&plan, "counters", 4 * PS_ALIGN + f * sizeof(uint64_t));
	plan_scratch(&plan, d_in, o, threads);
	plan_branches(&plan, d_in, o, threads);
	return plan.total_bytes;
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

static int check_matryoshka(const ps_train_options *o, ps_diag *diag)
{
	size_t below = 0;

	if (o->matryoshka_levels && o->arch != PS_TRAIN_BATCHTOPK)
		return ps_fail(diag, PS_EUSAGE, "nested levels go with batchtopk");
	if (o->matryoshka_levels > PS_MATRYOSHKA_MOST)
		return ps_fail(diag, PS_EUSAGE, "at most %d nested levels", PS_MATRYOSHKA_MOST);
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

/* What belongs to an architecture. */
static int check_arch(const ps_train_options *o, ps_diag *diag)
{
	const bool topk = o->arch == PS_TRAIN_TOPK || o->arch == PS_TRAIN_BATCHTOPK;

	if (topk && (!o->k || ps_schedule_k_most(o) > o->d_sae))
		return ps_fail(diag, PS_EUSAGE,
			       "k is %zu, it must lie between 1 and the number of latents, %zu",
			       ps_schedule_k_most(o), o->d_sae);
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
	int code;

	if (!o->batch || !o->tokens || o->batch > UINT32_MAX || !o->d_sae || !d_in)
		return ps_fail(diag, PS_EUSAGE,
			       "training needs at least one latent, one token and a batch of at "
			       "least one row");
	code = check_schedules(o, diag);
	if (code < 0)
		return code;
	if (!zero_or_positive(o->auxk_coefficient))
		return ps_fail(diag, PS_EUSAGE,
			       "the coefficient of the auxiliary loss must be 0 or positive");
	if (!finite_and_positive(o->decoder_norm))
		return ps_fail(diag, PS_EUSAGE, "the decoder's first norm must be positive");
	if (!finite_and_positive(o->encoder_scale))
		return ps_fail(diag, PS_EUSAGE, "the encoder's first scale must be positive");
	return check_arch(o, diag);
}

static ps_moments take_moments(size_t count, ps_arena *arena)
{
	ps_moments moments = {
		.m = ps_arena_take(arena, count * sizeof(float)),
		.v = ps_arena_take(arena, count * sizeof(float)),
	};

	memset(moments.m, 0, count * sizeof(float));
	memset(moments.v, 0, count * sizeof(float));
	return moments;
}

static void take_state(ps_trainer *t, ps_arena *arena)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;

	t->enc = take_moments(f * d, arena);
	t->dec = take_moments(f * d, arena);
	t->b_enc = take_moments(f, arena);
	t->b_dec = take_moments(d, arena);
	t->extra[0] = t->sae.threshold ? t->sae.threshold : t->sae.r_mag;
	t->extra[1] = t->sae.b_mag;
	for (int i = 0; i < t->arch->extras; i++)
		t->extra_moments[i] = take_moments(f, arena);
	t->since_fired = ps_arena_take(arena, f * sizeof(uint64_t));
	t->step = ps_arena_take(arena, sizeof(uint64_t));
	t->scale = ps_arena_take(arena, sizeof(float));
	t->threshold = ps_arena_take(arena, sizeof(double));
}

static void take_batch(ps_trainer *t, const ps_trainer *with, ps_arena *arena)
{
	const size_t rows = t->options.batch;

	t->ids = with ? with->ids : ps_arena_take(arena, rows * sizeof(uint64_t));
	t->x = with ? with->x : ps_arena_take(arena, rows * t->sae.d_in * sizeof(float));
	t->batch = with ? with->batch : t->x;
}

static void take_scratch(ps_trainer *t, ps_arena *arena)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in, rows = t->options.batch;

	t->row_loss = ps_arena_take(arena, rows * sizeof(double));
	t->active = ps_arena_take(arena, t->pass_rows * sizeof(uint32_t));
	t->lower = ps_arena_take(arena, f * sizeof(float));
	t->norm = ps_arena_take(arena, f * sizeof(float));
	t->b_enc_gradient = ps_arena_take(arena, f * sizeof(float));
	t->through_input = ps_arena_take(arena, f * sizeof(float));
	t->along = ps_arena_take(arena, f * sizeof(float));
	for (int i = 0; i < PS_EXTRAS_MOST; i++)
		t->extra_gradient[i] = ps_arena_take(arena, f * sizeof(float));
	t->penalty = ps_arena_take(arena, f * sizeof(double));
	t->square = ps_arena_take(arena, f * sizeof(double));
	t->fired = ps_arena_take(arena, f);
	t->dead = ps_arena_take(arena, f);
	t->error_sum = ps_arena_take(arena, d * sizeof(double));
	t->column_variance = ps_arena_take(arena, d * sizeof(double));
	t->b_dec_gradient = ps_arena_take(arena, d * sizeof(float));
	ps_update_take(t, gradients_are_stored(&t->options), arena);
	if (!gradients_are_stored(&t->options))
		return;
	t->enc_gradient = ps_arena_take(arena, f * d * sizeof(float));
	t->dec_gradient = ps_arena_take(arena, f * d * sizeof(float));
}

static int take_branches(ps_trainer *t, ps_arena *arena)
{
	const ps_train_options *o = &t->options;
	const ps_sae listed = listed_shape(t->sae.d_in, o);
	int code;

	t->lister = t->arch->lister(t);
	code = ps_encoder_create(&t->encoder, &t->lister, t->context, t->pass_rows, arena);
	if (code < 0)
		return code;
	code = ps_branch_create(&t->branch, &listed, t->pass_rows, t->context, arena);
	if (code < 0)
		return code;
	if (t->arch->gate)
		code = ps_branch_create(&t->gate, &listed, t->pass_rows, t->context, arena);
	if (code < 0)
		return code;
	if (o->arch == PS_TRAIN_BATCHTOPK)
		code = ps_batch_topk_create(&t->batch_topk, &t->lister, t->pass_rows,
					    ps_schedule_k_most(o), t->context, arena);
	if (code >= 0 && o->matryoshka_levels)
		code = ps_matryoshka_create(&t->matryoshka, &listed, o, t->pass_rows, t->context,
					    arena);
	if (code < 0 || o->auxk_coefficient == 0)
		return code;
	return ps_auxk_create(&t->auxk, &t->sae, o, t->pass_rows, t->context, arena);
}

/* How the parameters are held; topk and batchtopk alike. */
static ps_sae_arch held_arch(ps_train_arch arch)
{
	return arch == PS_TRAIN_BATCHTOPK ? PS_SAE_TOPK : ps_train_saved_arch(arch);
}

/* Everything but the contents. */
static int take_parts(ps_trainer *t, const ps_trainer *with, ps_arena *arena)
{
	const ps_train_options *o = &t->options;
	int code = ps_sae_create(&t->sae, held_arch(o->arch), t->source->width, o->d_sae, o->k,
				 arena, t->context->diag);

	if (code < 0)
		return code;
	t->sae.apply_b_dec_to_input = false;
	take_state(t, arena);
	take_batch(t, with, arena);
	take_scratch(t, arena);
	return take_branches(t, arena);
}

int ps_trainer_make(ps_trainer **out, const ps_train_options *options, const ps_row_source *source,
		    const ps_row_list *rows, const ps_context *context, ps_arena *arena,
		    const ps_trainer *with)
{
	const size_t lent = with ? ps_trainer_lent_bytes(source->width, options) : 0;
	int code = ps_train_options_check(options, source->width, context->diag);
	ps_trainer *t;

	if (code < 0)
		return code;
	if (!rows->count)
		return ps_fail(context->diag, PS_EINPUT, "there are no rows to train on");
	code = ps_room_check(
		arena,
		ps_trainer_bytes(source->width, options, ps_pool_threads(context->pool)) - lent,
		"training", context->diag);
	if (code < 0)
		return code;
	t = ps_arena_take(arena, sizeof *t);
	*t = (ps_trainer){.options = *options,
			  .arch = ps_arch_of(options->arch),
			  .source = source,
			  .rows = rows,
			  .context = context};
	t->steps = ps_trainer_steps(options);
	t->options.batch = ps_train_batch_rows(options);
	t->pass_rows = pass_rows(options);
	*out = t;
	code = take_parts(t, with, arena);
	return code < 0 ? code : ps_start_values(t, with);
}

int ps_trainer_create(ps_trainer **out, const ps_train_options *options,
		      const ps_row_source *source, const ps_row_list *rows,
		      const ps_context *context, ps_arena *arena)
{
	return ps_trainer_make(out, options, source, rows, context, arena, NULL);
}

int ps_trainer_restart(ps_trainer *t)
{
	ps_state_part parts[STATE_PARTS];
	const size_t count = ps_trainer_state(t, parts, STATE_PARTS);

	for (size_t i = 0; i < count; i++)
		memset(parts[i].data, 0, parts[i].bytes);
	return ps_start_values(t, NULL);
}

int ps_trainer_step(ps_trainer *t, ps_train_step *out)
{
	return ps_trainers_step(&t, 1, out);
}

uint64_t ps_trainer_done(const ps_trainer *t)
{
	return *t->step;
}

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

static double row_norm(const float *row, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)row[i] * row[i];
	return sqrt(sum);
}

/* Decoder rows to norm 1, activations times their norms. Not where that would change which latents topk selects. */
static bool norms_are_folded(const ps_train_options *o)
{
	return !o->unit_decoder && (o->arch != PS_TRAIN_TOPK || o->rescale);
}

/* Latent j of x where s x went in: activations become smaller by s, larger by the decoder row's norm n. */
static void export_latent(const ps_trainer *t, ps_sae *out, size_t j)
{
	const size_t d = t->sae.d_in, at = j * d;
	const double n = norms_are_folded(&t->options) ? row_norm(t->sae.dec + at, d) : 1,
		     by = n / *t->scale;
	/* The threshold of batchtopk is one of z n where latents are chosen by that, and of z where not. */
	const double batch_by = t->options.rescale ? 1 / *t->scale : by;

	for (size_t i = 0; i < d; i++) {
		out->enc[at + i] = (float)(t->sae.enc[at + i] * n);
		out->dec[at + i] = n > 0 ? (float)(t->sae.dec[at + i] / n) : 0;
	}
	out->b_enc[j] = (float)(t->sae.b_enc[j] * by);
	if (t->options.arch == PS_TRAIN_BATCHTOPK)
		out->threshold[j] = (float)(fmax(*t->threshold, 0) * batch_by);
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

size_t ps_trainer_state(ps_trainer *t, ps_state_part *parts, size_t max_parts)
{
	const size_t f = t->sae.d_sae, d = t->sae.d_in;
	const size_t matrix = f * d * sizeof(float), bias = f * sizeof(float),
		     output = d * sizeof(float);
	const ps_state_part all[STATE_PARTS] = {
		{"enc", t->sae.enc, matrix, PS_F32},
		{"dec", t->sae.dec, matrix, PS_F32},
		{"b_enc", t->sae.b_enc, bias, PS_F32},
		{"b_dec", t->sae.b_dec, output, PS_F32},
		{"enc_m", t->enc.m, matrix, PS_F32},
		{"enc_v", t->enc.v, matrix, PS_F32},
		{"dec_m", t->dec.m, matrix, PS_F32},
		{"dec_v", t->dec.v, matrix, PS_F32},
		{"b_enc_m", t->b_enc.m, bias, PS_F32},
		{"b_enc_v", t->b_enc.v, bias, PS_F32},
		{"b_dec_m", t->b_dec.m, output, PS_F32},
		{"b_dec_v", t->b_dec.v, output, PS_F32},
		{"scale", t->scale, sizeof(float), PS_F32},
		{"threshold_mean", t->threshold, sizeof(double), PS_F64},
		{"since_fired", t->since_fired, f * sizeof(uint64_t), PS_I64},
		{"step", t->step, sizeof(uint64_t), PS_I64},
		/* the latents' further scalars, as many as the architecture has */
		{t->sae.threshold ? "threshold" : "r_mag", t->extra[0], bias, PS_F32},
		{t->sae.threshold ? "threshold_m" : "r_mag_m", t->extra_moments[0].m, bias, PS_F32},
		{t->sae.threshold ? "threshold_v" : "r_mag_v", t->extra_moments[0].v, bias, PS_F32},
		{"b_mag", t->extra[1], bias, PS_F32},
		{"b_mag_m", t->extra_moments[1].m, bias, PS_F32},
		{"b_mag_v", t->extra_moments[1].v, bias, PS_F32},
	};
	const size_t count = STATE_PARTS - 3 * (size_t)(PS_EXTRAS_MOST - t->arch->extras);

	for (size_t i = 0; i < count && i < max_parts; i++)
		parts[i] = all[i];
	return count;
}

static bool all_finite(const float *x, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

int ps_trainer_resume(ps_trainer *t)
{
	ps_state_part parts[STATE_PARTS];
	const size_t count = ps_trainer_state(t, parts, STATE_PARTS);

	for (size_t i = 0; i < count; i++)
		if (parts[i].dtype == PS_F32 &&
		    !all_finite(parts[i].data, parts[i].bytes / sizeof(float)))
			return ps_fail(
				t->context->diag, PS_EINPUT,
				"the saved training state's '%s' holds values that are not finite",
				parts[i].name);
	if (*t->step > t->steps)
		return ps_fail(t->context->diag, PS_EINPUT,
			       "the saved training state is at step %llu of %llu",
			       (unsigned long long)*t->step, (unsigned long long)t->steps);
	if (!(*t->scale > 0))
		return ps_fail(t->context->diag, PS_EINPUT,
			       "the saved training state's input scale is not positive");
	if (!isfinite(*t->threshold))
		return ps_fail(t->context->diag, PS_EINPUT,
			       "the saved training state's threshold is not finite");
	return 0;
}
