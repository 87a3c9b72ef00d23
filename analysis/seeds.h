/* analysis/seeds.h (RQ1, RQ2): agreement of SAEs that differ in their seed, and survival over
 * several thresholds and seeds.
 *
 * RQ1, over all pairs a < b of S SAEs trained on the same activations: survival at each threshold,
 * mean cosine of the assignment, shared fraction, largest cosines (compare.h). Each is summarised
 * by mean, standard deviation, least, largest, and the interval of the mean. Pairs have SAEs in
 * common, so the seeds are resampled: a pair counts as often as its two seeds were drawn, one
 * number times the other. Below PS_CLUSTERS_LEAST seeds there is no interval: least and largest
 * stand instead.
 *
 * RQ2: survival of the dense SAE's latents in the pruned model's SAE, a match for each seed: mean
 * and standard deviation over seeds at each threshold. Kendall's W says how alike the thresholds
 * 0.6, 0.7 and 0.8 rank the conditions (1: all alike).
 *
 * Source: arXiv 2603.25325; Paulo, Belrose, arXiv 2501.16615 for the shared fraction. */
#ifndef PS_ANALYSIS_SEEDS_H
#define PS_ANALYSIS_SEEDS_H

#include "analysis/compare.h"
#include "analysis/statistics.h"

enum { PS_TAUS = 5, PS_TAU_MAIN = 2 /* place of 0.7 in ps_taus */ };
extern const double ps_taus[PS_TAUS]; /* 0.5, 0.6, 0.7, 0.8, 0.9 */

typedef struct ps_summary {
	double sd, least, largest; /* NaN where there is no value; sd NaN for one value */
	ps_interval mean;          /* seeds resampled */
	size_t count;              /* pairs */
} ps_summary;

typedef struct ps_seed_pair {
	size_t a, b; /* places in the list of SAEs */
	double survival[PS_TAUS];
	ps_comparison comparison; /* at tau = 0.7 */
} ps_seed_pair;

typedef struct ps_seed_agreement {
	ps_seed_pair *pairs; /* S (S - 1) / 2, by a, then b */
	size_t pair_count;
	ps_summary survival[PS_TAUS], hungarian_cosine, pw_mcc, shared_fraction, mmcs, mmcs_null;
} ps_seed_agreement;

/* Compares every pair of `count` SAEs. out->pairs is taken from the arena and lives as long as it
 * does; the rest is given back. ps_seeds_bytes: `latents` is the most of any SAE, d the width of
 * all. Errors as ps_match_decoders. PS_EINTERRUPTED: between tiles. */
size_t ps_seeds_bytes(size_t count, size_t latents, size_t d, const ps_bootstrap *bootstrap,
		      int threads);
int ps_seeds_compare(const ps_sae *const *saes, size_t count, uint64_t null_seed,
		     const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
		     ps_seed_agreement *out) PS_MUST_USE;

/* Survival of one match at each of ps_taus; alive as in ps_match_survival. */
void ps_survival_grid(const ps_match *match, const uint8_t *alive, double survival[PS_TAUS]);

/* Mean and standard deviation over seeds of grids (seeds, PS_TAUS). sd is NaN for one seed. */
void ps_survival_over_seeds(const double (*grids)[PS_TAUS], size_t seeds, double mean[PS_TAUS],
			    double sd[PS_TAUS]);

/* Kendall's W over the thresholds 0.6, 0.7, 0.8 of survival (conditions, PS_TAUS). Takes
 * ps_survival_agreement_bytes from the arena and gives them back. */
size_t ps_survival_agreement_bytes(size_t conditions);
double ps_survival_agreement(const double (*survival)[PS_TAUS], size_t conditions, ps_arena *arena);

#endif
