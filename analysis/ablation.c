#include "analysis/ablation.h"

#include <math.h>

#include "analysis/fragility.h"
#include "analysis/sizes.h"
#include "core/base/rng.h"

size_t ps_ablation_choose_bytes(size_t latents)
{
	size_t arrays = ps_bytes_sum(ps_array_bytes(latents, sizeof(double)),
				     ps_array_bytes(latents, sizeof(uint32_t)));

	return ps_bytes_sum(arrays, ps_array_bytes(latents, 1));
}

/* The first `wanted` of members become a random choice (Fisher, Yates). */
static void draw(uint32_t *members, size_t count, size_t wanted, ps_rng *rng)
{
	for (size_t i = 0; i < wanted; i++) {
		size_t other = i + (size_t)ps_rng_below(rng, count - i);
		uint32_t swapped = members[i];

		members[i] = members[other];
		members[other] = swapped;
	}
}

int ps_ablation_choose(const uint64_t *firing, size_t latents, size_t count, uint64_t seed,
		       ps_arena *arena, ps_diag *diag, uint32_t *features, size_t *chosen)
{
	size_t mark = ps_arena_mark(arena), first[PS_QUINTILES + 1];
	double *rates = ps_array_take(arena, latents, sizeof *rates);
	uint32_t *order = ps_array_take(arena, latents, sizeof *order);
	uint8_t *taken = ps_array_take(arena, latents, 1);
	int rc = 0;

	*chosen = 0;
	if (!rates || !order || !taken) {
		rc = ps_fail(diag, PS_EFAILED, "the arena is too small to choose among %zu latents",
			     latents);
		goto out;
	}
	for (size_t j = 0; j < latents; j++)
		taken[j] = 0;
	ps_fragility_order(firing, latents, rates, order, first);
	for (size_t q = 0; q < PS_QUINTILES; q++) {
		size_t size = first[q + 1] - first[q],
		       wanted =
			       ps_min_size(count / PS_QUINTILES + (q < count % PS_QUINTILES), size);
		ps_rng rng = ps_rng_make(seed, q);

		draw(order + first[q], size, wanted, &rng);
		for (size_t i = 0; i < wanted; i++)
			taken[order[first[q] + i]] = 1;
	}
	for (size_t j = 0; j < latents; j++)
		if (taken[j])
			features[(*chosen)++] = (uint32_t)j;
out:
	ps_arena_rewind(arena, mark);
	return rc;
}

static double norm_of(const float *row, size_t width)
{
	double sum = 0;

	for (size_t d = 0; d < width; d++)
		sum += (double)row[d] * (double)row[d];
	return sqrt(sum);
}

/* The feature's activation on a row, 0 where it does not fire; a row's indices ascend. */
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

/* Means of the effect among survivors and among lost: feature i counts weights[i] times, or, over clusters, once. */
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

size_t ps_ablation_bytes(size_t features, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads)
{
	size_t working = ps_max_size(ps_partial_interval_bytes(bootstrap, features, threads),
				     ps_bootstrap_bytes(bootstrap, clusters, threads));

	return ps_bytes_sum(working, ps_array_bytes(features, sizeof(double)));
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

int ps_ablation_summarise(const ps_ablation_data *data, const ps_bootstrap *bootstrap,
			  const ps_context *context, ps_arena *arena, ps_ablation *out)
{
	size_t mark = ps_arena_mark(arena), n = data->features;
	struct groups over_features = {data, data->effect}, over_clusters = {data, NULL};
	double *survived = ps_array_take(arena, n, sizeof *survived);
	int rc;

	*out = (ps_ablation){0};
	if (!survived)
		return ps_fail(context->diag, PS_EFAILED,
			       "the arena is too small for %zu ablated features", n);
	count_groups(data, survived, out);
	out->difference_clusters = (ps_interval){(double)NAN, (double)NAN, (double)NAN, 0};
	rc = ps_spearman_interval(bootstrap, data->effect, survived, n, context, arena,
				  &out->rho_survival);
	if (rc == 0)
		rc = ps_spearman_interval(bootstrap, data->effect, data->cosine, n, context, arena,
					  &out->rho_cosine);
	if (rc == 0)
		rc = ps_partial_interval(bootstrap, data->effect, survived, data->rate, n, context,
					 arena, &out->partial_survival);
	if (rc == 0)
		rc = ps_partial_interval(bootstrap, data->effect, data->cosine, data->rate, n,
					 context, arena, &out->partial_cosine);
	if (rc == 0)
		rc = ps_bootstrap_run(bootstrap, n, difference_statistic, &over_features, context,
				      arena, &out->difference_features);
	if (rc == 0 && data->cluster_sum)
		rc = ps_bootstrap_run(bootstrap, data->clusters, difference_statistic,
				      &over_clusters, context, arena, &out->difference_clusters);
	ps_arena_rewind(arena, mark);
	return rc;
}
