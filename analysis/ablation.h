/* analysis/ablation.h (RQ5): does survival predict how much the model needs a feature?
 *
 * Ablating latent j at the SAE's layer of the dense model, where j fires: x' = x - f_j dec_j. The SAE's error
 * x - x_hat stays in x', so nothing but the feature changes (with rescale_by_decoder_norm: dec_j / |dec_j|).
 *   effect_j = mean over scored tokens of nll(ablated j) - nll(clean), nats per token; > 0: the model needs it
 * Tokens after the one on which j fires see it through attention, so every scored token of the windows counts, and
 * frequent latents have larger effects for that reason alone: hence the partial correlations at fixed firing rate.
 *   rho_survival, rho_cosine: Spearman of effect and survival (0, 1), of effect and the match's cosine
 *   partial_*: the same with the ranks of the firing rate held fixed
 *   difference = mean effect of the survivors - mean effect of the lost, interval over features and over clusters
 * Source: arXiv 2603.25325, RQ5; the ablation that keeps the error: Marks et al., arXiv 2403.19647. */
#ifndef PS_ANALYSIS_ABLATION_H
#define PS_ANALYSIS_ABLATION_H

#include "analysis/statistics.h"
#include "sae/sae.h"

/* Latents to ablate: `count` of those that fired, as equal a number from every quintile of firing (fragility.h; one
 * more from the lower ones where 5 does not divide, all of a quintile that is smaller), drawn without replacement
 * by the seed. features (count) by ascending index; *chosen: how many. */
size_t ps_ablation_choose_bytes(size_t latents);
int ps_ablation_choose(const uint64_t *firing, size_t latents, size_t count, uint64_t seed,
		       ps_arena *arena, ps_diag *diag, uint32_t *features,
		       size_t *chosen) PS_MUST_USE;

/* rows (codes->rows, D), in place: row r loses what the codes' row r says of the feature. Returns how many rows
 * changed. */
size_t ps_ablation_apply(const ps_sae *sae, const ps_codes *codes, uint32_t feature, float *rows);

/* What was measured on N ablated features. */
typedef struct ps_ablation_data {
	size_t features, clusters; /* N; C: 0 where there are no sums per cluster */
	const uint8_t *survived;   /* (N) */
	const double *cosine;      /* (N): of the match */
	const double *rate;        /* (N): rows on which the feature fires / rows */
	const double *effect;      /* (N): nats per token */
	const double *
		cluster_sum; /* (N, C): sum over the cluster's scored tokens of the change of nll; NULL: none */
	const double *cluster_tokens; /* (C): scored tokens */
} ps_ablation_data;

typedef struct ps_ablation {
	size_t features, survivors;
	double mean_survivors, mean_lost; /* NaN for none */
	ps_interval rho_survival, rho_cosine, partial_survival, partial_cosine;
	ps_interval difference_features,
		difference_clusters; /* clusters: NaN without sums per cluster */
} ps_ablation;

size_t ps_ablation_bytes(size_t features, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads);
int ps_ablation_summarise(const ps_ablation_data *data, const ps_bootstrap *bootstrap,
			  const ps_context *context, ps_arena *arena, ps_ablation *out) PS_MUST_USE;

#endif
