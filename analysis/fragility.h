/* analysis/fragility.h (RQ4): do rare features survive better than frequent ones?
 *
 * Latents of the dense SAE that fired at all, by ascending firing count (ties by index), cut into quintiles: the
 * q-th (from 0) holds places [floor(q n / 5), floor((q + 1) n / 5)), so sizes differ by at most one.
 *   S(Q) = share of the quintile's latents that survive;   difference = S(Q1) - S(Q5): rare minus frequent
 *   rho_quintiles = Spearman of (1 .. 5) and S;   rho_latents = Spearman of firing count and survival over latents
 * Intervals over latents: latents are resampled and cut anew. Over clusters: firing counts are summed anew over the
 * resampled windows, which moves latents between quintiles; survival is a property of the two SAEs and stays.
 * Cost: a replicate over clusters reads the counts once (C F), so R of them take about R C F / 10^9 seconds.
 * Source: arXiv 2603.25325; its corrected release makes the difference with cluster intervals the primary effect. */
#ifndef PS_ANALYSIS_FRAGILITY_H
#define PS_ANALYSIS_FRAGILITY_H

#include "analysis/firing.h"
#include "analysis/statistics.h"

#define PS_QUINTILES 5

typedef struct ps_fragility {
	size_t alive; /* latents that fired */
	size_t size[PS_QUINTILES];
	double survival[PS_QUINTILES]; /* NaN for an empty quintile */
	ps_interval difference_latents,
		difference_clusters;            /* clusters: NaN without counts per cluster */
	ps_interval rho_quintiles, rho_latents; /* both over latents */
} ps_fragility;

/* clusters: 0 where counts per cluster will not be given. */
size_t ps_fragility_bytes(size_t latents, size_t clusters, const ps_bootstrap *bootstrap,
			  int threads);

/* firing, survived (F): of the dense SAE; by_cluster: counts per cluster of the same rows, or NULL. */
int ps_fragility_run(const uint64_t *firing, const uint8_t *survived, size_t latents,
		     const ps_firing *by_cluster, const ps_bootstrap *bootstrap,
		     const ps_context *context, ps_arena *arena, ps_fragility *out) PS_MUST_USE;

/* order (F) receives the latents that fired, by ascending count; quintile q holds order[first[q] .. first[q + 1]).
 * rates: scratch (F). Returns how many fired. */
size_t ps_fragility_order(const uint64_t *firing, size_t latents, double *rates, uint32_t *order,
			  size_t first[PS_QUINTILES + 1]);

#endif
