#include "analysis/ablation.h"

#include <math.h>

#include "analysis/fragility.h"
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

struct groups {
	const ps_ablation_data *data;
	const double *effect; /* (N), or NULL: from the sums per cluster */
};

static double cluster_effect(const ps_ablation_data *data, const uint32_t *weights, size_t feature)
{
	const double *sum = data->cluster_sum + feature * data->clusters;
	double change = 0, tokens = 0;

	for (size_t c = 0; c < data->clusters; c++) {
		change += weights[c] * sum[c];
		tokens += weights[c] * data->cluster_tokens[c];
	}
	return change / tokens;
}

/* Means of the effect among survivors and among the lost. Over features, feature i counts
 * weights[i] times; over clusters, every feature counts once and the weights are those of the
 * clusters. */
static void group_means(const struct groups *g, const uint32_t *weights, double *survivors,
			double *lost)
{
	double sum[2] = {0}, count[2] = {0};

	for (size_t i = 0; i < g->data->features; i++) {
		int group = g->data->survived[i] != 0;
		double weight = g->effect ? weights[i] : 1;

		sum[group] +=
			weight * (g->effect ? g->effect[i] : cluster_effect(g->data, weights, i));
		count[group] += weight;
	}
	*survivors = count[1] > 0 ? sum[1] / count[1] : (double)NAN;
	*lost = count[0] > 0 ? sum[0] / count[0] : (double)NAN;
}

static double difference_statistic(void *self, const uint32_t *weights, int worker)
{
	double survivors, lost;

	(void)worker;
	group_means(self, weights, &survivors, &lost);
	return survivors - lost;
}

/* *survived (N): survival of each latent as a number, for the correlations. */
static size_t lay_out_survived(size_t features, ps_arena *arena, double **survived)
{
	ps_layout layout = {.arena = arena};

	*survived = ps_layout_part(&layout, features, sizeof **survived);
	return layout.bytes;
}

size_t ps_ablation_bytes(size_t features, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads)
{
	double *survived;

	return ps_bytes_sum(lay_out_survived(features, NULL, &survived),
			    ps_max_size(ps_spearman_interval_bytes(bootstrap, features, threads),
					ps_bootstrap_bytes(bootstrap, clusters, threads)));
}

static void count_groups(const ps_ablation_data *data, double *survived, ps_ablation *out)
{
	double sum[2] = {0};

	*out = (ps_ablation){.features = data->features};
	for (size_t i = 0; i < data->features; i++) {
		survived[i] = data->survived[i] ? 1 : 0;
		out->survivors += data->survived[i] != 0;
		sum[data->survived[i] != 0] += data->effect[i];
	}
	out->mean_survivors = out->survivors ? sum[1] / (double)out->survivors : (double)NAN;
	out->mean_lost = out->survivors < data->features
				 ? sum[0] / (double)(data->features - out->survivors)
				 : (double)NAN;
}

/* Spearman of the effect with survival and with the match's cosine, plain and at fixed firing
 * rate. */
static int correlate(const ps_ablation_data *data, const double *survived,
		     const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
		     ps_ablation *out)
{
	const struct {
		const double *with, *held;
		ps_interval *out;
	} wanted[] = {
		{survived, NULL, &out->rho_survival},
		{data->cosine, NULL, &out->rho_cosine},
		{survived, data->rate, &out->partial_survival},
		{data->cosine, data->rate, &out->partial_cosine},
	};
	int rc = 0;

	for (size_t w = 0; w < sizeof wanted / sizeof *wanted && rc == 0; w++)
		rc = ps_spearman_interval(bootstrap,
					  &(ps_paired){.x = data->effect,
						       .y = wanted[w].with,
						       .held = wanted[w].held,
						       .count = data->features},
					  context, arena, wanted[w].out);
	return rc;
}

int ps_ablation_summarise(const ps_ablation_data *data, const ps_bootstrap *bootstrap,
			  const ps_context *context, ps_arena *arena, ps_ablation *out)
{
	const size_t n = data->features, mark = ps_arena_mark(arena);
	struct groups over_features = {data, data->effect}, over_clusters = {data, NULL};
	double *survived;
	int rc;

	lay_out_survived(n, arena, &survived);
	count_groups(data, survived, out);
	out->difference_clusters = ps_no_interval();
	rc = correlate(data, survived, bootstrap, context, arena, out);
	if (rc == 0)
		rc = ps_bootstrap_run(bootstrap, n, difference_statistic, &over_features, context,
				      arena, &out->difference_features);
	if (rc == 0 && data->cluster_sum)
		rc = ps_bootstrap_run(bootstrap, data->clusters, difference_statistic,
				      &over_clusters, context, arena, &out->difference_clusters);
	ps_arena_rewind(arena, mark);
	return rc;
}
