/* analysis/fragility.h (RQ4): do rare latents survive better than frequent ones?
 *
 * Latents of the dense SAE that fired at all are ordered by ascending firing count, ties by index,
 * and cut into quintiles. Of n latents the q-th quintile (from 0) holds places floor(q n / 5) up
 * to, not including, floor((q + 1) n / 5), so sizes differ by at most one.
 *
 *   S(Q) = share of the quintile's latents that survive
 *   difference = S(Q1) - S(Q5): rare less frequent
 *   less_control = the difference, less the difference of a control on the same latents and
 *                  quintiles. Control: survival in an SAE trained again on the dense model's own
 *                  rows. What retraining alone does is in both.
 *   rho_quintiles = Spearman of 1 to 5 and S(Q1) to S(Q5)
 *   rho_latents = Spearman of firing count and survival over latents
 *
 * Latents and windows are resampled. A replicate of latents cuts them anew. A replicate of windows
 * sums firing counts over the drawn windows, which moves latents between quintiles; ties keep the
 * order that the data give. Survival is a property of the two SAEs and stays. Resampled counts are
 * noisier than the data's, so replicates of windows are biased towards 0: only their variance is
 * used, never their percentiles. So the interval holds its estimate.
 *
 * Cost: a replicate over clusters reads the counts (C, F) once, so R replicates take about R C F /
 * 10^9 seconds, and as much again with a control. Source: arXiv 2603.25325; in its corrected
 * release the difference with intervals over clusters is the primary effect. The control and the
 * two-way interval are ours. */
#ifndef PS_ANALYSIS_FRAGILITY_H
#define PS_ANALYSIS_FRAGILITY_H

#include "analysis/firing.h"
#include "analysis/statistics.h"

enum { PS_QUINTILES = 5 };

typedef struct ps_fragility_input {
	const uint64_t *firing;  /* (F): rows on which each latent of the dense SAE fires */
	const uint8_t *survived; /* (F) */
	const uint8_t *control;  /* (F): survived in the control's SAE; NULL: there is no control */
	size_t latents;
	const ps_firing *by_cluster; /* counts of the same rows per cluster; NULL: none */
} ps_fragility_input;

typedef struct ps_fragility {
	size_t alive; /* latents that fired */
	size_t size[PS_QUINTILES];
	double survival[PS_QUINTILES];          /* NaN for an empty quintile */
	double control_survival[PS_QUINTILES];  /* NaN without a control */
	ps_two_way_result difference;           /* rows: windows; columns: latents */
	ps_two_way_result less_control;         /* the same; NaN without a control */
	ps_interval rho_quintiles, rho_latents; /* latents resampled */
} ps_fragility;

/* clusters: 0 where there are no counts per cluster; then only latents are resampled, and
 * less_control has no interval. Takes ps_fragility_bytes from the arena and
 * gives them back. PS_EINPUT: the counts per cluster are of another number of latents. */
size_t ps_fragility_bytes(size_t latents, size_t clusters, const ps_bootstrap *bootstrap,
			  int threads);
int ps_fragility_run(const ps_fragility_input *input, const ps_bootstrap *bootstrap,
		     const ps_context *context, ps_arena *arena, ps_fragility *out) PS_MUST_USE;

/* The quintiles themselves. order (F) receives the latents that fired, by ascending count; quintile
 * q holds order[first[q]] up to, not including, order[first[q + 1]]. rates (F): scratch. Returns
 * how many fired. */
size_t ps_fragility_order(const uint64_t *firing, size_t latents, double *rates, uint32_t *order,
			  size_t first[PS_QUINTILES + 1]);

#endif
