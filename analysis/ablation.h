/* analysis/ablation.h (RQ5): does survival predict how much the model needs a latent?
 *
 * A latent j is ablated at the SAE's layer of the dense model: where it fires, x' = x - f_j dec_j.
 * The SAE's error x - x_hat stays in x', so nothing but the latent changes. With
 * rescale_by_decoder_norm, dec_j / |dec_j| stands for dec_j.
 *
 *   effect_j = mean over scored tokens of nll(ablated j) - nll(clean), nats per token
 *   effect per firing = the same change, summed, over the number of rows on which j fires; a
 *                       latent that fires on none of the windows' rows has none, and is left out
 *
 * An effect above 0 means that the model needs the latent. Tokens after one on which j fires see it
 * through attention, so every scored token of the windows counts. The effect per token is about the
 * firing rate times the effect per firing, so frequent latents have larger effects for their rate
 * alone. Hence the effects per firing, the correlations at fixed rate, and the strata of rate.
 *
 *   rho_survival, rho_cosine   Spearman of the effect with survival (0 or 1), with the cosine
 *   partial_...                the same with the ranks of the firing rate held fixed
 *   difference                 mean effect of the survivors less mean effect of the lost
 *   difference_stratified      the difference within each stratum, averaged by latents, over the
 *                              strata that have both survivors and lost
 *
 * A difference has two sources of chance: which windows were read, and which latents were chosen.
 * Its interval resamples both (bootstrap.h). Only the smaller of survivors and lost counts as n.
 * Conditions of one model share the chosen latents, so their intervals are not independent.
 *
 * Source: arXiv 2603.25325, RQ5. The ablation that keeps the error: Marks et al., arXiv
 * 2403.19647. Effects per firing, strata and the two-way interval are ours. */
#ifndef PS_ANALYSIS_ABLATION_H
#define PS_ANALYSIS_ABLATION_H

#include <stdbool.h>

#include "analysis/fragility.h"
#include "analysis/statistics.h"
#include "sae/sae.h"

/* Which latents to ablate: `count` of those that fired, drawn without replacement. Every quintile
 * of firing (fragility.h) gives the same number. Where 5 does not divide count, the lower quintiles
 * give one more; a quintile with fewer latents gives all of them. */
typedef struct ps_ablation_choice {
	const uint64_t *firing; /* (F): rows on which each latent fires */
	size_t latents, count;
	uint64_t seed;
} ps_ablation_choice;

/* features (count) receives the chosen latents by ascending index. Returns how many. Takes
 * ps_ablation_choose_bytes from the arena and gives them back. */
size_t ps_ablation_choose_bytes(size_t latents);
size_t ps_ablation_choose(const ps_ablation_choice *choice, ps_arena *arena, uint32_t *features);

/* Whether the latent fires on a row of the codes. */
bool ps_ablation_fires(const ps_codes *codes, size_t row, uint32_t feature);

/* Ablates one latent in rows (codes->rows, D), in place. codes are those of the same rows. Returns
 * how many rows changed. */
size_t ps_ablation_apply(const ps_sae *sae, const ps_codes *codes, uint32_t feature, float *rows);

/* What was measured on N ablated latents, over C clusters (windows). */
typedef struct ps_ablation_data {
	size_t features, clusters; /* N, C */
	const uint8_t *survived;   /* (N) */
	const double *cosine;      /* (N): with the nearest latent of the other SAE */
	const double *rate;        /* (N): share of rows on which the latent fires */
	const uint8_t *stratum;    /* (N): below PS_QUINTILES; NULL: there are no strata */
	const double *effect;      /* (N): nats per token */
	/* C is 0 and these are NULL where nothing is known by cluster. */
	const double *cluster_sum;     /* (N, C): change of nll summed over a cluster */
	const double *cluster_firings; /* (N, C): rows on which the latent fires; NULL: unknown */
	const double *cluster_tokens;  /* (C): scored tokens */
} ps_ablation_data;

/* Of one stratum. Means are NaN where there are none. */
typedef struct ps_ablation_stratum {
	size_t features, survivors;
	double mean_survivors, mean_lost; /* nats per token */
} ps_ablation_stratum;

typedef struct ps_ablation {
	size_t features, survivors;
	double mean_survivors, mean_lost; /* nats per token; NaN where there are none */
	/* rows: windows, columns: latents. stratified: NaN without strata; firing: per firing */
	ps_two_way_result difference, stratified, firing;
	ps_interval rho_survival, rho_cosine, partial_survival, partial_cosine; /* over latents */
	size_t firing_features;               /* that fire in the windows: those per firing */
	double firing_survivors, firing_lost; /* means, nats per firing; NaN where not known */
	ps_interval firing_rho_survival, firing_rho_cosine; /* per firing; over latents */
	ps_ablation_stratum strata[PS_QUINTILES];
} ps_ablation;

/* Takes ps_ablation_bytes from the arena and gives them back. */
size_t ps_ablation_bytes(size_t features, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads);
int ps_ablation_summarise(const ps_ablation_data *data, const ps_bootstrap *bootstrap,
			  const ps_context *context, ps_arena *arena, ps_ablation *out) PS_MUST_USE;

#endif
