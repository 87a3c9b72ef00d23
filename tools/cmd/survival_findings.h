/* tools/cmd/survival_findings.h: what `survival` finds of one condition, seed by seed, as JSON.
 *
 * The dense SAE of each seed stands beside the pruned one of its seed. Every number is the mean
 * over the seeds (analysis/over_seeds.h); by_seed has the main ones of each seed. With one seed
 * they are equal. Counts of latents are sums over the seeds. A mean of latents (of survivors, say)
 * is over the seeds that have such latents. */
#ifndef PS_TOOLS_CMD_SURVIVAL_FINDINGS_H
#define PS_TOOLS_CMD_SURVIVAL_FINDINGS_H

#include "analysis/ablation.h"
#include "core/base/json.h"

/* Statistics of a latent in the dense model. */
typedef enum ps_predictor {
	PS_FIRING_RATE,
	PS_MEAN_ACTIVATION, /* where it fires */
	PS_PEAK_ACTIVATION,
	PS_DECODER_NORM,
	PS_OWN_START_COSINE, /* of its decoder row with the row that it started as */
	PS_ABLATION_EFFECT,  /* the last: only ablated latents have it */
	PS_PREDICTORS
} ps_predictor;

typedef struct ps_seed_findings {
	ps_fragility fragility;
	ps_ablation ablation;           /* of the seeds that have ablations */
	ps_interval auc[PS_PREDICTORS]; /* with which each tells survivors from the lost */
} ps_seed_findings;

/* Each returns NULL when memory ran out. ablated: how many seeds, from the first, have
 * ablations. */
json_t *ps_fragility_json(const ps_seed_findings *seed, size_t seeds);
json_t *ps_predictors_json(const ps_seed_findings *seed, size_t seeds, size_t ablated);
json_t *ps_ablation_json(const ps_seed_findings *seed, size_t ablated); /* 0: null */

#endif
