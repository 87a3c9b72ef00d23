/* analysis/seeds.h (RQ1, RQ2): agreement of SAEs trained on the same activations with other seeds, and survival
 * over several thresholds and seeds.
 *
 * RQ1, over all pairs a < b of S SAEs: MNN survival at each tau of the grid, mean cosine of the optimal assignment,
 * share of shared latents (compare.h). Summary: mean, SD, least, largest and the bootstrap interval of the mean over
 * pairs. Pairs have SAEs in common, so the interval is a description of these seeds, not of all.
 * RQ2: survival of the dense SAE's latents in the pruned one, a match per seed: mean and SD over seeds at each tau;
 * Kendall's W of how the thresholds .6, .7, .8 rank the conditions (1: all thresholds rank them alike).
 * Source: arXiv 2603.25325; Paulo, Belrose, arXiv 2501.16615 for shared latents. */
#ifndef PS_ANALYSIS_SEEDS_H
#define PS_ANALYSIS_SEEDS_H

#include "analysis/compare.h"
#include "analysis/statistics.h"

#define PS_TAUS 5
extern const double ps_taus[PS_TAUS]; /* .5, .6, .7, .8, .9 */
#define PS_TAU_MAIN 2                 /* index of .7 */

typedef struct ps_summary {
	double mean, sd, least, largest; /* NaN where there is no value; SD NaN for one */
	double low, high;                /* interval of the mean */
	size_t count;
} ps_summary;

size_t ps_summary_bytes(const ps_bootstrap *bootstrap, size_t count, int threads);
int ps_summary_of(const double *values, size_t count, const ps_bootstrap *bootstrap,
		  const ps_context *context, ps_arena *arena, ps_summary *out) PS_MUST_USE;

typedef struct ps_seed_pair {
	size_t a, b; /* positions in the list of SAEs */
	double survival[PS_TAUS];
	ps_comparison comparison; /* at tau .7 */
} ps_seed_pair;

typedef struct ps_seed_agreement {
	ps_seed_pair *pairs; /* S (S - 1) / 2, by a, then b */
	size_t pair_count;
	ps_summary survival[PS_TAUS], hungarian_cosine, shared_fraction, mmcs, mmcs_null;
} ps_seed_agreement;

/* For S SAEs of at most latents latents and width d. */
size_t ps_seeds_bytes(size_t count, size_t latents, size_t d, const ps_bootstrap *bootstrap,
		      int threads);
/* out->pairs is taken from the arena and stays valid with it. */
int ps_seeds_compare(const ps_sae *const *saes, size_t count, uint64_t null_seed,
		     const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
		     ps_seed_agreement *out) PS_MUST_USE;

/* survival[t] of one match at ps_taus[t]; alive as in ps_match_survival. */
void ps_survival_grid(const ps_match *match, const uint8_t *alive, double survival[PS_TAUS]);

/* Mean and SD over seeds of grids (S, PS_TAUS). */
void ps_survival_over_seeds(const double (*grids)[PS_TAUS], size_t seeds, double mean[PS_TAUS],
			    double sd[PS_TAUS]);

/* Kendall's W over .6, .7, .8 of the conditions' survival (conditions, PS_TAUS). */
size_t ps_survival_agreement_bytes(size_t conditions);
int ps_survival_agreement(const double (*survival)[PS_TAUS], size_t conditions, ps_arena *arena,
			  ps_diag *diag, double *w) PS_MUST_USE;

#endif
