#include "tools/study/sae_rates.h"

#include <math.h>
#include <string.h>

#include "analysis/assignment.h"
#include "analysis/compare.h"
#include "analysis/fragility.h"
#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/rng.h"
#include "sae/evaluate.h"
#include "tools/engine/probe.h"

enum {
	ROWS_MIN = 256,   /* of a timed step */
	STEPS = 4096,     /* of the timed training: more than are ever taken */
	FEW_ROWS = 16,    /* of a step that is nearly all updates */
	CODED_ROWS = 240, /* encoded at a time */
	FEW_CODED_ROWS = CODED_ROWS / 4,
	MATCHED_ROWS = 128, /* latents of the smaller dictionary that is matched */
	ASSIGNED = 1024,    /* latents of the timed assignment */
	CLUSTERS = 512,
	REPLICATES = 8,
};

/* Multiply-adds of a timed step's encoding: a tenth of a second on a slow core. */
#define STEP_PRODUCTS 1e10
/* Weights of the SAE whose updates are timed. With Adam's moments they exceed the last cache. */
#define UPDATED_WEIGHTS ((size_t)4 << 20)
/* The time of an assignment grows with this power of the number of latents. The power is 2.2 on
 * random costs, and about 3 on dictionaries of the same activations. */
#define ASSIGNMENT_POWER 3.0
#define ROWS_SEED 1

/* --- rows --- */

struct rows {
	const float *data; /* (count, width) */
	size_t width;
};

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	const struct rows *rows = self;

	(void)diag;
	for (size_t i = 0; i < count; i++)
		memcpy(out + i * rows->width, rows->data + ids[i] * rows->width,
		       rows->width * sizeof *out);
	return 0;
}

static void fill_rows(void *context, size_t item, int worker)
{
	const struct rows *rows = context;
	float *row = (float *)rows->data + item * rows->width;
	ps_rng rng = ps_rng_make(ROWS_SEED, item);

	(void)worker;
	for (size_t i = 0; i < rows->width; i++)
		row[i] = ps_rng_normal(&rng);
}

/* --- training --- */

/* A trainer on random rows. */
struct training {
	ps_session *s;
	ps_train_options options;
	struct rows rows;
	ps_row_source source;
	ps_row_list list;
	ps_arena arena; /* of the trainer, the rows and what the caller adds */
	ps_trainer *trainer;
};

/* Latents do not die while time is taken: how many will is not known. */
static ps_train_options timed_options(const ps_train_options *options, size_t batch)
{
	ps_train_options timed = *options;

	timed.batch = batch;
	timed.tokens = (uint64_t)batch * STEPS;
	timed.dead_after_tokens = 0;
	timed.resample_tokens = 0;
	timed.k_start = 0;
	return timed;
}

/* extra_bytes: taken from the arena by the caller afterwards. */
static int begin(struct training *t, size_t d_in, size_t extra_bytes)
{
	const size_t count = ps_max_size(t->options.batch, CODED_ROWS),
		     row_bytes = count * d_in * sizeof(float),
		     trainer_bytes = ps_trainers_bytes(d_in, &t->options, 1, t->s->threads);
	ps_plan plan = {.limit_bytes = t->s->memory_bytes};
	int rc;

	ps_plan_add(&plan, "program and libraries", PS_PROGRAM_BYTES);
	ps_plan_add(&plan, "trainer that is timed", trainer_bytes);
	ps_plan_add(&plan, "its rows", row_bytes);
	ps_plan_add(&plan, "comparisons that are timed", extra_bytes);
	rc = ps_plan_check(&plan, &t->s->diag);
	if (!rc)
		rc = ps_arena_create(&t->arena, plan.total_bytes - PS_PROGRAM_BYTES, &t->s->diag);
	if (rc)
		return rc;
	t->rows = (struct rows){ps_arena_take(&t->arena, row_bytes), d_in};
	t->source =
		(ps_row_source){.self = &t->rows, .rows = count, .width = d_in, .gather = gather};
	t->list = (ps_row_list){.count = count};
	ps_pool_run(t->s->pool, count, fill_rows, &t->rows);
	return ps_trainers_create(&t->trainer, &t->options, 1, &t->source, &t->list, &t->s->context,
				  &t->arena);
}

static int take_step(void *context)
{
	const struct training *t = context;
	ps_train_step step;

	return ps_trainers_step(&t->trainer, 1, &step);
}

/* The first step, which touches memory for the first time, is not timed. */
static int time_step(struct training *t, double *seconds)
{
	int rc = take_step(t);

	return rc ? rc : ps_probe_time(take_step, t, seconds);
}

/* The part of a step that does not depend on its rows: every parameter is updated. It is timed on
 * an SAE of fewer latents, and grows with their number. */
static int time_updates(ps_session *s, const ps_sae_rates *rates, double *seconds)
{
	const size_t k = ps_max_size(rates->options.k, 1);
	size_t latents = ps_max_size(UPDATED_WEIGHTS / rates->d_in, 4 * k);
	struct training t = {.s = s, .options = timed_options(&rates->options, FEW_ROWS)};
	int rc;

	latents = ps_min_size(latents, rates->options.d_sae);
	t.options.d_sae = latents;
	t.options.matryoshka_levels = 0;
	rc = begin(&t, rates->d_in, 0);
	if (!rc)
		rc = time_step(&t, seconds);
	*seconds *= (double)rates->options.d_sae / (double)latents;
	ps_arena_destroy(&t.arena);
	return rc;
}

static size_t timed_batch(const ps_train_options *o, size_t d_in)
{
	const double rows = STEP_PRODUCTS / ((double)d_in * (double)o->d_sae);

	return ps_min_size(ps_max_size(ROWS_MIN, (size_t)rows), ps_train_batch_rows(o));
}

static int time_training(struct training *t, ps_sae_rates *rates)
{
	const size_t batch = t->options.batch;
	double seconds = 0;
	int rc = time_step(t, &seconds);

	if (!rc && batch < ps_train_batch_rows(&rates->options))
		rc = time_updates(t->s, rates, &rates->step_seconds);
	/* On a busy machine the difference could vanish. */
	rates->row_seconds = fmax(seconds - rates->step_seconds, seconds / 4) / (double)batch;
	return rc;
}

/* --- using SAEs --- */

struct coding {
	const ps_sae *sae;
	ps_encoder *encoder;
	ps_evaluator *evaluator;
	ps_codes codes;
	const float *x;
	size_t rows;
};

static int encode(void *context)
{
	struct coding *c = context;

	ps_encoder_run(c->encoder, c->x, c->rows, &c->codes);
	return 0;
}

static int evaluate(void *context)
{
	struct coding *c = context;

	return ps_evaluator_add(c->evaluator, c->x, c->rows, NULL);
}

static size_t coding_bytes(const ps_sae *shape, int threads)
{
	return ps_encoder_bytes(shape, threads, CODED_ROWS) + ps_codes_bytes(shape, CODED_ROWS) +
	       ps_evaluator_bytes(shape, threads, CODED_ROWS);
}

static int make_coding(struct coding *c, const ps_context *context, ps_arena *arena)
{
	int rc = ps_encoder_create(&c->encoder, c->sae, context, CODED_ROWS, arena);

	if (!rc)
		rc = ps_codes_create(&c->codes, c->sae, CODED_ROWS, arena, context->diag);
	if (!rc)
		rc = ps_evaluator_create(&c->evaluator, c->sae, context, CODED_ROWS, NULL, arena);
	return rc;
}

static int time_coding(const struct training *t, const ps_sae *sae, ps_arena *arena,
		       ps_sae_rates *rates)
{
	const double all_rows = CODED_ROWS, few_rows = FEW_CODED_ROWS;
	struct coding c = {.sae = sae, .x = t->rows.data, .rows = FEW_CODED_ROWS};
	double all = 0, few = 0, decoded = 0;
	int rc = make_coding(&c, &t->s->context, arena);

	/* The first calls touch the memory. */
	if (!rc)
		rc = encode(&c);
	if (!rc)
		rc = evaluate(&c);
	if (!rc)
		rc = ps_probe_time(encode, &c, &few);
	c.rows = CODED_ROWS;
	if (!rc)
		rc = ps_probe_time(encode, &c, &all);
	if (!rc)
		rc = ps_probe_time(evaluate, &c, &decoded);
	/* At least half of it, however a busy machine disturbed one of the times. */
	rates->encode_row_seconds = fmax((all - few) / (all_rows - few_rows), all / all_rows / 2);
	rates->encode_row_seconds = fmin(rates->encode_row_seconds, all / all_rows);
	rates->encode_call_seconds = all - rates->encode_row_seconds * all_rows;
	rates->decode_row_seconds = fmax(decoded - all, 0) / all_rows;
	return rc;
}

struct matching {
	const ps_sae *some, *all;
	const ps_context *context;
	ps_arena *arena;
	float *costs; /* (assigned, assigned) */
	size_t assigned;
};

static int match(void *context)
{
	const struct matching *m = context;
	const size_t mark = ps_arena_mark(m->arena);
	ps_match found;
	int rc = ps_match_decoders(m->some, m->all, m->context, m->arena, &found);

	ps_arena_rewind(m->arena, mark);
	return rc;
}

static int assign(void *context)
{
	const struct matching *m = context;
	const size_t mark = ps_arena_mark(m->arena);
	ps_assignment found;
	int rc = ps_assignment_solve(m->costs, m->assigned, m->assigned, m->context, m->arena,
				     &found);

	ps_arena_rewind(m->arena, mark);
	return rc;
}

static size_t matching_bytes(const ps_sae *shape, int threads)
{
	const size_t some = ps_min_size(MATCHED_ROWS, shape->d_sae),
		     assigned = ps_min_size(ASSIGNED, shape->d_sae);

	return ps_max_size(ps_match_bytes(some, shape->d_sae, shape->d_in, threads),
			   ps_assignment_bytes(assigned, assigned)) +
	       ps_round_up(assigned * assigned * sizeof(float), PS_ALIGN);
}

/* A match takes as long for each latent. An assignment is timed on random costs. */
static int time_matching(const struct training *t, const ps_sae *sae, ps_arena *arena,
			 ps_sae_rates *rates)
{
	ps_sae some = *sae;
	struct matching m = {.some = &some, .all = sae, .context = &t->s->context, .arena = arena};
	ps_rng rng = ps_rng_make(ROWS_SEED, UINT64_MAX);
	int rc;

	some.d_sae = ps_min_size(MATCHED_ROWS, sae->d_sae);
	m.assigned = ps_min_size(ASSIGNED, sae->d_sae);
	m.costs = ps_arena_take(arena, m.assigned * m.assigned * sizeof *m.costs);
	for (size_t i = 0; i < m.assigned * m.assigned; i++)
		m.costs[i] = (float)ps_rng_uniform(&rng);
	rc = ps_probe_time(match, &m, &rates->match_seconds);
	if (!rc)
		rc = ps_probe_time(assign, &m, &rates->assign_seconds);
	rates->match_seconds *= (double)sae->d_sae / (double)some.d_sae;
	rates->assign_seconds *= pow((double)sae->d_sae / (double)m.assigned, ASSIGNMENT_POWER);
	return rc;
}

/* --- bootstraps --- */

struct resampling {
	const ps_context *context;
	ps_arena *arena;
	ps_bootstrap bootstrap;
	ps_firing firing;
	uint8_t *survived;
	double *numerator;
	bool by_cluster;
};

static int resample_ratio(void *context)
{
	const struct resampling *r = context;
	const size_t mark = ps_arena_mark(r->arena);
	ps_interval out;
	int rc = ps_bootstrap_ratio(&r->bootstrap, (ps_ratio){r->numerator, NULL},
				    (ps_axis){.count = CLUSTERS, .unit = PS_UNIT_WINDOWS},
				    r->context, r->arena, &out);

	ps_arena_rewind(r->arena, mark);
	return rc;
}

static int resample_fragility(void *context)
{
	const struct resampling *r = context;
	const size_t mark = ps_arena_mark(r->arena);
	ps_fragility out;
	const ps_fragility_input input = {.firing = r->firing.total,
					  .survived = r->survived,
					  .latents = r->firing.latents,
					  .by_cluster = r->by_cluster ? &r->firing : NULL};
	int rc = ps_fragility_run(&input, &r->bootstrap, r->context, r->arena, &out);

	ps_arena_rewind(r->arena, mark);
	return rc;
}

static size_t resampling_bytes(size_t latents, const ps_bootstrap *bootstrap, int threads)
{
	return ps_fragility_bytes(latents, CLUSTERS, bootstrap, threads) +
	       latents * (CLUSTERS * sizeof(uint32_t) + sizeof(uint64_t) + 1) +
	       CLUSTERS * sizeof(double) + 4 * PS_ALIGN;
}

static void take_counts(struct resampling *r, size_t latents)
{
	ps_rng rng = ps_rng_make(ROWS_SEED, UINT64_MAX - 1);

	r->firing = (ps_firing){
		.counts = ps_arena_take(r->arena, CLUSTERS * latents * sizeof(uint32_t)),
		.total = ps_arena_take(r->arena, latents * sizeof(uint64_t)),
		.clusters = CLUSTERS,
		.latents = latents};
	r->survived = ps_arena_take(r->arena, latents);
	r->numerator = ps_arena_take(r->arena, CLUSTERS * sizeof *r->numerator);
	for (size_t j = 0; j < latents; j++) {
		r->firing.total[j] = 1 + ps_rng_below(&rng, 4096);
		r->survived[j] = j % 3 == 0;
		for (size_t c = 0; c < CLUSTERS; c++)
			r->firing.counts[c * latents + j] = (uint32_t)(j + c) % 7;
	}
	for (size_t c = 0; c < CLUSTERS; c++)
		r->numerator[c] = (double)c;
}

static int time_resampling(const struct training *t, const ps_bootstrap *bootstrap, ps_arena *arena,
			   ps_sae_rates *rates)
{
	const double replicates = (double)bootstrap->replicates;
	struct resampling r = {.context = &t->s->context, .arena = arena, .bootstrap = *bootstrap};
	double draws = 0, latents = 0, both = 0;
	int rc;

	take_counts(&r, rates->options.d_sae);
	rc = ps_probe_time(resample_ratio, &r, &draws);
	if (!rc)
		rc = ps_probe_time(resample_fragility, &r, &latents);
	r.by_cluster = true;
	if (!rc)
		rc = ps_probe_time(resample_fragility, &r, &both);
	rates->draw_seconds = draws / (replicates * CLUSTERS);
	rates->replicate_seconds = latents / replicates;
	rates->latent_count_seconds =
		fmax(both - latents, 0) / (replicates * CLUSTERS * (double)rates->options.d_sae);
	return rc;
}

/* --- all of it --- */

/* The three uses of an SAE come after one another and share the arena. */
static int time_uses(struct training *t, const ps_bootstrap *bootstrap, ps_sae_rates *rates)
{
	const ps_train_options *o = &rates->options;
	ps_sae sae;
	size_t mark;
	int rc = ps_sae_create(&sae, ps_train_saved_arch(o->arch), rates->d_in, o->d_sae, o->k,
			       &t->arena, &t->s->diag);

	if (rc)
		return rc;
	ps_trainer_export(t->trainer, &sae);
	mark = ps_arena_mark(&t->arena);
	rc = time_coding(t, &sae, &t->arena, rates);
	ps_arena_rewind(&t->arena, mark);
	if (!rc)
		rc = time_matching(t, &sae, &t->arena, rates);
	ps_arena_rewind(&t->arena, mark);
	return rc ? rc : time_resampling(t, bootstrap, &t->arena, rates);
}

int ps_sae_rates_measure(ps_session *s, const ps_train_options *options, size_t d_in,
			 ps_sae_rates *rates)
{
	const ps_bootstrap bootstrap = {
		.replicates = REPLICATES, .confidence = 0.95, .seed = ROWS_SEED};
	const ps_sae shape = {.arch = ps_train_saved_arch(options->arch),
			      .d_in = d_in,
			      .d_sae = options->d_sae,
			      .k = options->k};
	struct training t = {.s = s, .options = timed_options(options, timed_batch(options, d_in))};
	const double started = ps_clock();
	int rc = ps_train_options_check(options, d_in, &s->diag);

	*rates = (ps_sae_rates){.options = *options, .d_in = d_in};
	if (rc)
		return rc;
	rc = begin(&t, d_in,
		   ps_sae_bytes(d_in, options->d_sae) +
			   ps_max_size(coding_bytes(&shape, s->threads),
				       ps_max_size(matching_bytes(&shape, s->threads),
						   resampling_bytes(options->d_sae, &bootstrap,
								    s->threads))));
	rates->start_seconds = ps_clock() - started;
	if (!rc)
		rc = time_training(&t, rates);
	if (!rc)
		rc = time_uses(&t, &bootstrap, rates);
	ps_arena_destroy(&t.arena);
	return rc;
}
