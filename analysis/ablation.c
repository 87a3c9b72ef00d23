#include "analysis/ablation.h"

#include <math.h>

#include "analysis/sizes.h"
#include "core/base/rng.h"

struct choosing {
	double *rates;   /* (F) */
	uint32_t *order; /* (F): those that fired, by ascending count */
	uint8_t *taken;  /* (F) */
};

static size_t lay_out_choice(struct choosing *c, size_t latents, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	c->rates = ps_layout_part(&layout, latents, sizeof *c->rates);
	c->order = ps_layout_part(&layout, latents, sizeof *c->order);
	c->taken = ps_layout_part(&layout, latents, sizeof *c->taken);
	return layout.bytes;
}

size_t ps_ablation_choose_bytes(size_t latents)
{
	struct choosing c;

	return lay_out_choice(&c, latents, NULL);
}

/* Moves a random choice of `wanted` members to the front (Fisher, Yates). */
static void draw(uint32_t *members, size_t count, size_t wanted, ps_rng *rng)
{
	for (size_t i = 0; i < wanted; i++) {
		size_t other = i + (size_t)ps_rng_below(rng, count - i);
		uint32_t swapped = members[i];

		members[i] = members[other];
		members[other] = swapped;
	}
}

size_t ps_ablation_choose(const ps_ablation_choice *choice, ps_arena *arena, uint32_t *features)
{
	const size_t latents = choice->latents, count = choice->count, mark = ps_arena_mark(arena);
	size_t first[PS_QUINTILES + 1], chosen = 0;
	struct choosing c;

	lay_out_choice(&c, latents, arena);
	for (size_t j = 0; j < latents; j++)
		c.taken[j] = 0;
	ps_fragility_order(choice->firing, latents, c.rates, c.order, first);
	for (size_t q = 0; q < PS_QUINTILES; q++) {
		size_t size = first[q + 1] - first[q],
		       wanted =
			       ps_min_size(count / PS_QUINTILES + (q < count % PS_QUINTILES), size);
		ps_rng rng = ps_rng_make(choice->seed, q);

		draw(c.order + first[q], size, wanted, &rng);
		for (size_t i = 0; i < wanted; i++)
			c.taken[c.order[first[q] + i]] = 1;
	}
	for (size_t j = 0; j < latents; j++)
		if (c.taken[j])
			features[chosen++] = (uint32_t)j;
	ps_arena_rewind(arena, mark);
	return chosen;
}

static double norm_of(const float *row, size_t width)
{
	double sum = 0;

	for (size_t d = 0; d < width; d++)
		sum += (double)row[d] * (double)row[d];
	return sqrt(sum);
}

/* The latent's activation on a row, 0 where it does not fire. Binary search: a row's indices
 * ascend. */
static float activation(const ps_codes *codes, size_t row, uint32_t feature)
{
	size_t low = codes->start[row], high = codes->start[row + 1];

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (codes->index[middle] == feature)
			return codes->value[middle];
		if (codes->index[middle] < feature)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

bool ps_ablation_fires(const ps_codes *codes, size_t row, uint32_t feature)
{
	return activation(codes, row, feature) != 0;
}

size_t ps_ablation_apply(const ps_sae *sae, const ps_codes *codes, uint32_t feature, float *rows)
{
	const float *direction = sae->dec + feature * sae->d_in;
	double norm = sae->rescale_by_decoder_norm ? norm_of(direction, sae->d_in) : 1;
	size_t changed = 0;

	for (size_t r = 0; r < codes->rows; r++) {
		float scale = activation(codes, r, feature), *x = rows + r * sae->d_in;

		if (scale == 0 || norm == 0)
			continue;
		scale = (float)(scale / norm);
		for (size_t d = 0; d < sae->d_in; d++)
			x[d] -= scale * direction[d];
		changed++;
	}
	return changed;
}

/* --- the summary --- */

enum { LOST, SURVIVORS, GROUPS };

/* Which difference of means is measured. */
enum difference { PER_TOKEN, PER_FIRING, STRATIFIED };

struct summary {
	const ps_ablation_data *data;
	enum difference kind;
	double *survived;     /* (N): survival as a number, for the correlations */
	double *x, *y, *held; /* (N): what is correlated, of the latents that have an effect */
	uint8_t *fires;       /* (N): in the windows */
	double **effect; /* (threads + 1), each (N): of the drawn windows; first: of the data */
	size_t groups[GROUPS]; /* latents of each */
};

static size_t lay_out_summary(struct summary *s, size_t features, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	s->survived = ps_layout_part(&layout, features, sizeof *s->survived);
	s->x = ps_layout_part(&layout, features, sizeof *s->x);
	s->y = ps_layout_part(&layout, features, sizeof *s->y);
	s->held = ps_layout_part(&layout, features, sizeof *s->held);
	s->fires = ps_layout_part(&layout, features, sizeof *s->fires);
	s->effect = ps_layout_part(&layout, (size_t)threads + 1, sizeof *s->effect);
	for (int t = 0; t <= threads; t++) {
		double *own = ps_layout_part(&layout, features, sizeof *own);

		if (s->effect)
			s->effect[t] = own;
	}
	return layout.bytes;
}

size_t ps_ablation_bytes(size_t features, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads)
{
	struct summary s;

	return ps_bytes_sum(lay_out_summary(&s, features, threads, NULL),
			    ps_max_size(ps_spearman_interval_bytes(bootstrap, features, threads),
					ps_two_way_bytes(bootstrap, clusters, features, threads)));
}

/* Effects over the drawn windows, per token or per firing. NaN: the latent does not fire there. */
static void find_effects(void *self, const uint32_t *weights, int slot)
{
	const struct summary *s = self;
	const ps_ablation_data *data = s->data;
	double tokens = 0;

	for (size_t c = 0; c < data->clusters; c++)
		tokens += weights[c] * data->cluster_tokens[c];
	for (size_t i = 0; i < data->features; i++) {
		const double *sum = data->cluster_sum + i * data->clusters;
		double change = 0, firings = 0;

		for (size_t c = 0; c < data->clusters; c++)
			change += weights[c] * sum[c];
		for (size_t c = 0; c < data->clusters && s->kind == PER_FIRING; c++)
			firings += weights[c] * data->cluster_firings[i * data->clusters + c];
		s->effect[slot][i] = change / (s->kind == PER_FIRING ? firings : tokens);
	}
}

/* Sums and counts of the effects of each stratum's survivors and lost. */
struct sums {
	double sum[PS_QUINTILES][GROUPS], count[PS_QUINTILES][GROUPS];
};

/* Latent i counts weights[i] times. Without strata all are in the first. */
static void add_up(const struct summary *s, const double *effect, const uint32_t *weights,
		   struct sums *out)
{
	const uint8_t *stratum = s->kind == STRATIFIED ? s->data->stratum : NULL;

	*out = (struct sums){0};
	for (size_t i = 0; i < s->data->features; i++) {
		const size_t q = stratum ? stratum[i] : 0;
		const int group = s->data->survived[i] ? SURVIVORS : LOST;

		if (isnan(effect[i]))
			continue;
		out->sum[q][group] += weights[i] * effect[i];
		out->count[q][group] += weights[i];
	}
}

static double mean_of(const struct sums *sums, size_t q, int group)
{
	return sums->count[q][group] > 0 ? sums->sum[q][group] / sums->count[q][group]
					 : (double)NAN;
}

/* The differences of the strata that have one, weighted by their latents. */
static double difference(void *self, const uint32_t *weights, int slot)
{
	const struct summary *s = self;
	double sum = 0, all = 0;
	struct sums sums;

	add_up(s, s->effect[slot], weights, &sums);
	for (size_t q = 0; q < PS_QUINTILES; q++) {
		const double own = mean_of(&sums, q, SURVIVORS) - mean_of(&sums, q, LOST),
			     count = sums.count[q][SURVIVORS] + sums.count[q][LOST];

		if (isnan(own))
			continue;
		sum += count * own;
		all += count;
	}
	return all > 0 ? sum / all : (double)NAN;
}

static double difference_of_data(void *self, const uint32_t *weights, int worker)
{
	(void)worker;
	return difference(self, weights, 0);
}

/* The latents; the smaller group counts. Latents of strata that lack a group do not, nor do, per
 * firing, those that do not fire. */
static ps_axis features_axis(const struct summary *s)
{
	size_t group[PS_QUINTILES][GROUPS] = {{0}}, sum[GROUPS] = {0};

	for (size_t i = 0; i < s->data->features; i++)
		group[s->kind == STRATIFIED ? s->data->stratum[i] : 0]
		     [s->data->survived[i] ? SURVIVORS : LOST] +=
			s->kind != PER_FIRING || s->fires[i];
	for (size_t q = 0; q < PS_QUINTILES; q++)
		for (int g = 0; g < GROUPS && group[q][LOST] && group[q][SURVIVORS]; g++)
			sum[g] += group[q][g];
	return (ps_axis){.count = s->data->features,
			 .unit = PS_UNIT_LATENTS,
			 .effective = ps_min_size(sum[LOST], sum[SURVIVORS])};
}

static int cross(struct summary *s, enum difference kind, const ps_bootstrap *bootstrap,
		 const ps_context *context, ps_arena *arena, ps_two_way_result *out)
{
	ps_two_way statistic = {.rows = {.count = s->data->clusters, .unit = PS_UNIT_WINDOWS},
				.both = PS_UNIT_WINDOWS_LATENTS,
				.prepare = find_effects,
				.value = difference,
				.self = s};

	s->kind = kind;
	statistic.columns = features_axis(s);
	return ps_two_way_run(bootstrap, &statistic, context, arena, out);
}

/* A correlation of the effects in slot 0. */
struct correlation {
	const double *with, *held;
	bool with_survival;
	ps_interval *out;
};

/* The pairs of the latents that have an effect. */
static ps_paired pair_up(const struct summary *s, const struct correlation *wanted)
{
	size_t n = 0, groups[GROUPS] = {0};

	for (size_t i = 0; i < s->data->features; i++) {
		if (isnan(s->effect[0][i]))
			continue;
		s->x[n] = s->effect[0][i];
		s->y[n] = wanted->with[i];
		s->held[n++] = wanted->held ? wanted->held[i] : 0;
		groups[s->data->survived[i] ? SURVIVORS : LOST]++;
	}
	return (ps_paired){
		.x = s->x,
		.y = s->y,
		.held = {wanted->held ? s->held : NULL},
		.count = n,
		.axis = {.count = n,
			 .unit = PS_UNIT_LATENTS,
			 .effective = wanted->with_survival
					      ? ps_min_size(groups[LOST], groups[SURVIVORS])
					      : 0}};
}

static int correlate(const struct summary *s, const struct correlation *wanted, size_t count,
		     const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena)
{
	int rc = 0;

	for (size_t w = 0; w < count && rc == 0; w++) {
		const ps_paired data = pair_up(s, &wanted[w]);

		rc = ps_spearman_interval(bootstrap, &data, context, arena, wanted[w].out);
	}
	return rc;
}

/* Spearman of the effect with survival and with the match's cosine, plain and at fixed rate. */
static int correlate_tokens(struct summary *s, const ps_bootstrap *bootstrap,
			    const ps_context *context, ps_arena *arena, ps_ablation *out)
{
	const ps_ablation_data *data = s->data;
	const struct correlation wanted[] = {
		{s->survived, NULL, true, &out->rho_survival},
		{data->cosine, NULL, false, &out->rho_cosine},
		{s->survived, data->rate, true, &out->partial_survival},
		{data->cosine, data->rate, false, &out->partial_cosine},
	};

	for (size_t i = 0; i < data->features; i++)
		s->effect[0][i] = data->effect[i];
	return correlate(s, wanted, sizeof wanted / sizeof *wanted, bootstrap, context, arena);
}

static bool fires_in_windows(const ps_ablation_data *data, size_t latent)
{
	double sum = 0;

	for (size_t c = 0; c < data->clusters && data->cluster_firings; c++)
		sum += data->cluster_firings[latent * data->clusters + c];
	return sum > 0;
}

/* Counts and means per token, of all latents and of each stratum. */
static void describe(struct summary *s, ps_ablation *out)
{
	const ps_ablation_data *data = s->data;
	double sum[PS_QUINTILES][GROUPS] = {{0}}, all[GROUPS] = {0};

	*out = (ps_ablation){.features = data->features};
	for (size_t i = 0; i < data->features; i++) {
		const int group = data->survived[i] ? SURVIVORS : LOST;
		const size_t q = data->stratum ? data->stratum[i] : 0;

		s->survived[i] = group;
		s->groups[group]++;
		s->fires[i] = fires_in_windows(data, i);
		all[group] += data->effect[i];
		sum[q][group] += data->effect[i];
		out->strata[q].features++;
		out->strata[q].survivors += group == SURVIVORS;
	}
	out->survivors = s->groups[SURVIVORS];
	out->mean_survivors = all[SURVIVORS] / (double)s->groups[SURVIVORS];
	out->mean_lost = all[LOST] / (double)s->groups[LOST];
	for (size_t q = 0; q < PS_QUINTILES; q++) {
		ps_ablation_stratum *own = &out->strata[q];

		own->mean_survivors = sum[q][SURVIVORS] / (double)own->survivors;
		own->mean_lost = sum[q][LOST] / (double)(own->features - own->survivors);
	}
}

static int compare_tokens(struct summary *s, const ps_bootstrap *bootstrap,
			  const ps_context *context, ps_arena *arena, ps_ablation *out)
{
	int rc = cross(s, PER_TOKEN, bootstrap, context, arena, &out->difference);

	if (rc == 0 && !s->data->cluster_sum)
		rc = ps_bootstrap_run(bootstrap, features_axis(s), difference_of_data, s, context,
				      arena, &out->difference.columns);
	if (rc == 0 && s->data->stratum)
		rc = cross(s, STRATIFIED, bootstrap, context, arena, &out->stratified);
	return rc;
}

/* The same per firing. Leaves the effects per firing in slot 0. */
static int compare_firings(struct summary *s, const ps_bootstrap *bootstrap,
			   const ps_context *context, ps_arena *arena, ps_ablation *out)
{
	const struct correlation wanted[] = {
		{s->survived, NULL, true, &out->firing_rho_survival},
		{s->data->cosine, NULL, false, &out->firing_rho_cosine},
	};
	double sum[GROUPS] = {0}, count[GROUPS] = {0};
	int rc = cross(s, PER_FIRING, bootstrap, context, arena, &out->firing);

	for (size_t i = 0; i < s->data->features; i++) {
		const int group = s->data->survived[i] ? SURVIVORS : LOST;

		if (!s->fires[i])
			continue;
		sum[group] += s->effect[0][i];
		count[group]++;
		out->firing_features++;
	}
	out->firing_survivors = sum[SURVIVORS] / count[SURVIVORS];
	out->firing_lost = sum[LOST] / count[LOST];
	return rc ? rc : correlate(s, wanted, 2, bootstrap, context, arena);
}

int ps_ablation_summarise(const ps_ablation_data *data, const ps_bootstrap *bootstrap,
			  const ps_context *context, ps_arena *arena, ps_ablation *out)
{
	const size_t mark = ps_arena_mark(arena);
	struct summary s = {.data = data};
	int rc;

	lay_out_summary(&s, data->features, ps_pool_threads(context->pool), arena);
	describe(&s, out);
	out->firing_survivors = out->firing_lost = (double)NAN;
	out->firing_rho_survival = out->firing_rho_cosine = ps_no_interval();
	out->stratified = out->firing = (ps_two_way_result){
		out->firing_rho_survival, out->firing_rho_survival, out->firing_rho_survival};
	rc = correlate_tokens(&s, bootstrap, context, arena, out);
	if (rc == 0)
		rc = compare_tokens(&s, bootstrap, context, arena, out);
	if (rc == 0 && data->cluster_firings)
		rc = compare_firings(&s, bootstrap, context, arena, out);
	ps_arena_rewind(arena, mark);
	return rc;
}
