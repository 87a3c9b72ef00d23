#include "analysis/fragility.h"

#include <math.h>
#include <stdbool.h>

#include "analysis/sizes.h"
#include "core/base/clones.h"

struct scratch {
	double *rates;   /* (F) */
	uint32_t *order; /* (F): latents that fired, by ascending count */
};

struct fragility {
	const uint8_t *survived;
	size_t latents;
	const ps_firing *by_cluster;
	struct scratch *scratch; /* (threads) */
	uint32_t *order; /* (F): the order of the data themselves; its first `alive` count */
	double *x, *y;   /* (F): for correlations over latents */
	size_t alive;
	bool as_rho; /* the statistic over latents: Spearman over quintiles, else S(Q1) - S(Q5) */
};

static size_t lay_out(struct fragility *f, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	f->order = ps_layout_part(&layout, f->latents, sizeof *f->order);
	f->x = ps_layout_part(&layout, f->latents, sizeof *f->x);
	f->y = ps_layout_part(&layout, f->latents, sizeof *f->y);
	f->scratch = ps_layout_part(&layout, (size_t)threads, sizeof *f->scratch);
	for (int t = 0; t < threads; t++) {
		const struct scratch own = {
			.rates = ps_layout_part(&layout, f->latents, sizeof *own.rates),
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
					ps_bootstrap_bytes(bootstrap, clusters, threads)));
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

/* S(Q) where the i-th latent in `order` occurs weights[i] times (NULL: once). The copies of one
 * latent may fall on both sides of a cut. */
static void quintile_survival(const uint32_t *order, size_t alive, const uint32_t *weights,
			      const uint8_t *survived, size_t size[PS_QUINTILES],
			      double survival[PS_QUINTILES])
{
	size_t total = 0, at = 0, q = 0, survivors[PS_QUINTILES] = {0};

	for (size_t i = 0; i < alive; i++)
		total += weights ? weights[i] : 1;
	for (size_t i = 0; i < PS_QUINTILES; i++)
		size[i] = quintile_start(total, i + 1) - quintile_start(total, i);
	for (size_t i = 0; i < alive; i++)
		for (size_t left = weights ? weights[i] : 1; left;) {
			size_t take;

			while (at == quintile_start(total, q + 1))
				q++;
			take = ps_min_size(left, quintile_start(total, q + 1) - at);
			survivors[q] += survived[order[i]] ? take : 0;
			at += take;
			left -= take;
		}
	for (size_t i = 0; i < PS_QUINTILES; i++)
		survival[i] = size[i] ? (double)survivors[i] / (double)size[i] : (double)NAN;
}

static double effect(const double survival[PS_QUINTILES], bool as_rho)
{
	const double places[PS_QUINTILES] = {1, 2, 3, 4, 5};
	double work[2 * PS_QUINTILES];

	return as_rho ? ps_spearman(places, survival, PS_QUINTILES, work)
		      : survival[0] - survival[PS_QUINTILES - 1];
}

static double latents_statistic(void *self, const uint32_t *weights, int worker)
{
	const struct fragility *f = self;
	size_t size[PS_QUINTILES];
	double survival[PS_QUINTILES];

	(void)worker;
	quintile_survival(f->order, f->alive, weights, f->survived, size, survival);
	return effect(survival, f->as_rho);
}

PS_CLONES static void add_counts(const uint32_t *counts, double weight, size_t latents,
				 double *rates)
{
	for (size_t j = 0; j < latents; j++)
		rates[j] += weight * counts[j];
}

static double clusters_statistic(void *self, const uint32_t *weights, int worker)
{
	const struct fragility *f = self;
	const struct scratch *s = &f->scratch[worker];
	size_t size[PS_QUINTILES], alive;
	double survival[PS_QUINTILES];

	for (size_t j = 0; j < f->latents; j++)
		s->rates[j] = 0;
	for (size_t c = 0; c < f->by_cluster->clusters; c++)
		if (weights[c])
			add_counts(f->by_cluster->counts + c * f->latents, weights[c], f->latents,
				   s->rates);
	alive = order_by_rate(s->rates, f->latents, s->order);
	quintile_survival(s->order, alive, NULL, f->survived, size, survival);
	return effect(survival, false);
}

static int find_effects(struct fragility *f, const ps_bootstrap *bootstrap,
			const ps_context *context, ps_arena *arena, ps_fragility *out)
{
	int rc = ps_bootstrap_run(bootstrap, f->alive, latents_statistic, f, context, arena,
				  &out->difference_latents);

	out->difference_clusters = ps_no_interval();
	if (rc == 0 && f->by_cluster)
		rc = ps_bootstrap_run(bootstrap, f->by_cluster->clusters, clusters_statistic, f,
				      context, arena, &out->difference_clusters);
	f->as_rho = true;
	if (rc == 0)
		rc = ps_bootstrap_run(bootstrap, f->alive, latents_statistic, f, context, arena,
				      &out->rho_quintiles);
	return rc;
}

/* Spearman of count and survival over the latents that fired. */
static int correlate_latents(const struct fragility *f, const uint64_t *firing,
			     const ps_bootstrap *bootstrap, const ps_context *context,
			     ps_arena *arena, ps_interval *out)
{
	for (size_t i = 0; i < f->alive; i++) {
		f->x[i] = (double)firing[f->order[i]];
		f->y[i] = f->survived[f->order[i]] ? 1 : 0;
	}
	return ps_spearman_interval(bootstrap,
				    &(ps_paired){.x = f->x, .y = f->y, .count = f->alive}, context,
				    arena, out);
}

int ps_fragility_run(const ps_fragility_input *input, const ps_bootstrap *bootstrap,
		     const ps_context *context, ps_arena *arena, ps_fragility *out)
{
	const ps_firing *by_cluster = input->by_cluster;
	const size_t latents = input->latents, mark = ps_arena_mark(arena);
	struct fragility f = {
		.survived = input->survived, .latents = latents, .by_cluster = by_cluster};
	size_t first[PS_QUINTILES + 1];
	int rc;

	*out = (ps_fragility){0};
	if (by_cluster && by_cluster->latents != latents)
		return ps_fail(context->diag, PS_EINPUT,
			       "firing rates of %zu latents, counts per window of %zu", latents,
			       by_cluster->latents);
	lay_out(&f, ps_pool_threads(context->pool), arena);
	f.alive = out->alive = ps_fragility_order(input->firing, latents, f.x, f.order, first);
	quintile_survival(f.order, f.alive, NULL, input->survived, out->size, out->survival);
	rc = find_effects(&f, bootstrap, context, arena, out);
	if (rc == 0)
		rc = correlate_latents(&f, input->firing, bootstrap, context, arena,
				       &out->rho_latents);
	ps_arena_rewind(arena, mark);
	return rc;
}
