#include "analysis/fragility.h"

#include <math.h>
#include <stdbool.h>

#include "analysis/sizes.h"
#include "core/base/clones.h"

/* The latents that fired have places 0 to alive - 1, by ascending firing count of the data. Weights
 * and survival are by place. */
struct scratch {
	double *rates;   /* (F): of latents, then of places */
	double *placed;  /* (F): of places */
	uint32_t *order; /* (F): places by ascending count of the drawn windows */
	size_t alive;    /* of them, those that fire there */
};

struct fragility {
	size_t latents;
	const ps_firing *by_cluster;
	struct scratch *scratch; /* (threads + 1); the first: the data themselves */
	uint32_t *latent;        /* (F): which latent has a place */
	int8_t *gain;  /* (F), by place: whether it survived, less whether it did in the control */
	double *x, *y; /* (F): for correlations over latents */
	size_t alive, smallest; /* latents that fired; of Q1 and Q5, the smaller one's size */
	bool as_rho;            /* the statistic: Spearman over quintiles, else S(Q1) - S(Q5) */
};

static size_t lay_out(struct fragility *f, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	f->latent = ps_layout_part(&layout, f->latents, sizeof *f->latent);
	f->gain = ps_layout_part(&layout, f->latents, sizeof *f->gain);
	f->x = ps_layout_part(&layout, f->latents, sizeof *f->x);
	f->y = ps_layout_part(&layout, f->latents, sizeof *f->y);
	f->scratch = ps_layout_part(&layout, (size_t)threads + 1, sizeof *f->scratch);
	for (int t = 0; t <= threads; t++) {
		const struct scratch own = {
			.rates = ps_layout_part(&layout, f->latents, sizeof *own.rates),
			.placed = ps_layout_part(&layout, f->latents, sizeof *own.placed),
			.order = ps_layout_part(&layout, f->latents, sizeof *own.order)};

		if (f->scratch)
			f->scratch[t] = own;
	}
	return layout.bytes;
}

size_t ps_fragility_bytes(size_t latents, size_t clusters, const ps_bootstrap *bootstrap,
			  int threads)
{
	struct fragility f = {.latents = latents};

	return ps_bytes_sum(lay_out(&f, threads, NULL),
			    ps_max_size(ps_spearman_interval_bytes(bootstrap, latents, threads),
					ps_two_way_bytes(bootstrap, clusters, latents, threads)));
}

/* Orders the latents that fired by ascending rate, and returns how many. Those that never fired
 * sort first and are taken out. */
static size_t order_by_rate(const double *rates, size_t latents, uint32_t *order)
{
	size_t silent = 0;

	ps_sort_order(rates, latents, order);
	while (silent < latents && rates[order[silent]] == 0)
		silent++;
	for (size_t i = silent; i < latents; i++)
		order[i - silent] = order[i];
	return latents - silent;
}

static size_t quintile_start(size_t count, size_t quintile)
{
	return (size_t)((unsigned __int128)count * quintile / PS_QUINTILES);
}

size_t ps_fragility_order(const uint64_t *firing, size_t latents, double *rates, uint32_t *order,
			  size_t first[PS_QUINTILES + 1])
{
	size_t alive;

	for (size_t j = 0; j < latents; j++)
		rates[j] = (double)firing[j];
	alive = order_by_rate(rates, latents, order);
	for (size_t q = 0; q <= PS_QUINTILES; q++)
		first[q] = quintile_start(alive, q);
	return alive;
}

/* Mean gain of each quintile, where the latent at place i occurs weights[i] times (NULL: once). The
 * copies of one latent may fall on both sides of a cut. */
static void quintile_gains(const struct fragility *f, const struct scratch *s,
			   const uint32_t *weights, size_t size[PS_QUINTILES],
			   double gain[PS_QUINTILES])
{
	size_t total = 0, at = 0, q = 0;
	long long sum[PS_QUINTILES] = {0};

	for (size_t i = 0; i < s->alive; i++)
		total += weights ? weights[s->order[i]] : 1;
	for (size_t i = 0; i < PS_QUINTILES; i++)
		size[i] = quintile_start(total, i + 1) - quintile_start(total, i);
	for (size_t i = 0; i < s->alive; i++)
		for (size_t left = weights ? weights[s->order[i]] : 1; left;) {
			size_t take;

			while (at == quintile_start(total, q + 1))
				q++;
			take = ps_min_size(left, quintile_start(total, q + 1) - at);
			sum[q] += (long long)take * f->gain[s->order[i]];
			at += take;
			left -= take;
		}
	for (size_t i = 0; i < PS_QUINTILES; i++)
		gain[i] = size[i] ? (double)sum[i] / (double)size[i] : (double)NAN;
}

static double value(void *self, const uint32_t *weights, int slot)
{
	const struct fragility *f = self;
	const double places[PS_QUINTILES] = {1, 2, 3, 4, 5};
	double gain[PS_QUINTILES], ranks[2 * PS_QUINTILES];
	uint32_t order[PS_QUINTILES];
	size_t size[PS_QUINTILES];

	quintile_gains(f, &f->scratch[slot], weights, size, gain);
	return f->as_rho ? ps_spearman(places, gain, PS_QUINTILES, order, ranks)
			 : gain[0] - gain[PS_QUINTILES - 1];
}

static double latents_statistic(void *self, const uint32_t *weights, int worker)
{
	(void)worker;
	return value(self, weights, 0);
}

PS_CLONES static void add_counts(const uint32_t *counts, double weight, size_t latents,
				 double *rates)
{
	for (size_t j = 0; j < latents; j++)
		rates[j] += weight * counts[j];
}

/* Orders places by their counts in the drawn windows. Slot 0 is in order from the start. */
static void order_drawn(void *self, const uint32_t *weights, int slot)
{
	const struct fragility *f = self;
	struct scratch *s = &f->scratch[slot];

	if (!slot)
		return;
	for (size_t j = 0; j < f->latents; j++)
		s->rates[j] = 0;
	for (size_t c = 0; c < f->by_cluster->clusters; c++)
		if (weights[c])
			add_counts(f->by_cluster->counts + c * f->latents, weights[c], f->latents,
				   s->rates);
	for (size_t i = 0; i < f->alive; i++)
		s->placed[i] = s->rates[f->latent[i]];
	s->alive = order_by_rate(s->placed, f->alive, s->order);
}

static void set_gains(struct fragility *f, const uint8_t *survived, const uint8_t *control)
{
	for (size_t i = 0; i < f->alive; i++)
		f->gain[i] = (int8_t)((survived[f->latent[i]] != 0) -
				      (control && control[f->latent[i]]));
}

static ps_axis latents_axis(const struct fragility *f)
{
	return (ps_axis){.count = f->alive, .unit = PS_UNIT_LATENTS, .effective = f->smallest};
}

static int cross(struct fragility *f, const ps_bootstrap *bootstrap, const ps_context *context,
		 ps_arena *arena, ps_two_way_result *out)
{
	const ps_two_way statistic = {.rows = {.count = f->by_cluster ? f->by_cluster->clusters : 0,
					       .unit = PS_UNIT_WINDOWS},
				      .columns = latents_axis(f),
				      .both = PS_UNIT_WINDOWS_LATENTS,
				      .prepare = order_drawn,
				      .value = value,
				      .self = f};

	return ps_two_way_run(bootstrap, &statistic, context, arena, out);
}

static ps_two_way_result no_effect(void)
{
	ps_two_way_result none = {ps_no_interval(), ps_no_interval(), ps_no_interval()};

	none.both.unit = PS_UNIT_WINDOWS_LATENTS;
	return none;
}

static int find_effects(struct fragility *f, const ps_fragility_input *in,
			const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
			ps_fragility *out)
{
	int rc = cross(f, bootstrap, context, arena, &out->difference);

	if (rc == 0 && !f->by_cluster)
		rc = ps_bootstrap_run(bootstrap, latents_axis(f), latents_statistic, f, context,
				      arena, &out->difference.columns);
	f->as_rho = true;
	if (rc == 0)
		rc = ps_bootstrap_run(bootstrap, latents_axis(f), latents_statistic, f, context,
				      arena, &out->rho_quintiles);
	ps_interval_clip(&out->rho_quintiles, -1, 1);
	f->as_rho = false;
	out->less_control = no_effect();
	if (rc || !in->control)
		return rc;
	set_gains(f, in->survived, in->control);
	return cross(f, bootstrap, context, arena, &out->less_control);
}

/* Spearman of firing count and survival over the latents that fired. */
static int correlate_latents(const struct fragility *f, const ps_fragility_input *in,
			     const ps_bootstrap *bootstrap, const ps_context *context,
			     ps_arena *arena, ps_interval *out)
{
	size_t survivors = 0;

	for (size_t i = 0; i < f->alive; i++) {
		f->x[i] = (double)in->firing[f->latent[i]];
		f->y[i] = in->survived[f->latent[i]] ? 1 : 0;
		survivors += in->survived[f->latent[i]] != 0;
	}
	return ps_spearman_interval(
		bootstrap,
		&(ps_paired){.x = f->x,
			     .y = f->y,
			     .count = f->alive,
			     .axis = {.count = f->alive,
				      .unit = PS_UNIT_LATENTS,
				      .effective = ps_min_size(survivors, f->alive - survivors)}},
		context, arena, out);
}

/* The data's own order, quintiles and survival. */
static void describe(struct fragility *f, const ps_fragility_input *in, ps_fragility *out)
{
	size_t first[PS_QUINTILES + 1];

	f->alive = out->alive = ps_fragility_order(in->firing, f->latents, f->x, f->latent, first);
	f->scratch[0].alive = f->alive;
	for (size_t i = 0; i < f->alive; i++)
		f->scratch[0].order[i] = (uint32_t)i;
	set_gains(f, in->control ? in->control : in->survived, NULL);
	quintile_gains(f, &f->scratch[0], NULL, out->size, out->control_survival);
	if (!in->control)
		for (size_t q = 0; q < PS_QUINTILES; q++)
			out->control_survival[q] = (double)NAN;
	set_gains(f, in->survived, NULL);
	quintile_gains(f, &f->scratch[0], NULL, out->size, out->survival);
	f->smallest = ps_min_size(out->size[0], out->size[PS_QUINTILES - 1]);
}

int ps_fragility_run(const ps_fragility_input *input, const ps_bootstrap *bootstrap,
		     const ps_context *context, ps_arena *arena, ps_fragility *out)
{
	const ps_firing *by_cluster = input->by_cluster;
	const size_t latents = input->latents, mark = ps_arena_mark(arena);
	struct fragility f = {.latents = latents, .by_cluster = by_cluster};
	int rc;

	*out = (ps_fragility){0};
	if (by_cluster && by_cluster->latents != latents)
		return ps_fail(context->diag, PS_EINPUT,
			       "firing rates of %zu latents, counts per window of %zu", latents,
			       by_cluster->latents);
	lay_out(&f, ps_pool_threads(context->pool), arena);
	describe(&f, input, out);
	rc = find_effects(&f, input, bootstrap, context, arena, out);
	if (rc == 0)
		rc = correlate_latents(&f, input, bootstrap, context, arena, &out->rho_latents);
	ps_arena_rewind(arena, mark);
	return rc;
}
