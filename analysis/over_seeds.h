/* analysis/over_seeds.h: the mean of one number over the SAEs of several seeds, with an interval.
 *
 * The seeds are held fixed: the interval is that of the mean over these SAEs, and says nothing of
 * SAEs of other seeds. How far seeds differ is shown beside it, as points and their range.
 *
 * S numbers theta_s with standard errors e_s. What their errors have in common depends on the unit:
 *
 *   windows    all SAEs see the same windows. Errors are taken as fully correlated:
 *                error = mean of e_s,   df = least n - 1
 *              Less correlated ones make the true error smaller (Minkowski's inequality).
 *   latents    each SAE has its own. Errors are taken as independent:
 *                error^2 = sum e_s^2 / S^2,   df = (sum e_s^2)^2 / sum (e_s^4 / (n_s - 1))
 *   both       R_s, C_s: squared errors with rows (windows), columns (latents) alone; e_s: of both
 *              (bootstrap.h). e_s^2 - C_s is what windows move without single cells:
 *                error^2 = (mean of sqrt(e_s^2 - C_s))^2 + sum C_s / S^2
 *                df = error^4 / ((mean of sqrt(R_s))^4 / (n_r - 1) + (sum C_s / S^2)^2 / df_c)
 *              df_c as for latents; df at least min(n_r, n_c) - 1.
 *
 * n is the least of the seeds'. One seed is handed on as it is, bit by bit. Where one seed has no
 * number the mean has none. Ours. */
#ifndef PS_ANALYSIS_OVER_SEEDS_H
#define PS_ANALYSIS_OVER_SEEDS_H

#include "analysis/bootstrap.h"

/* The same member of the findings of each seed: `first` of the first one, the next ones `stride`
 * bytes apart. */
typedef struct ps_of_seeds {
	const void *first;
	size_t stride, count;
} ps_of_seeds;

/* Of ps_interval, whose unit is PS_UNIT_WINDOWS or PS_UNIT_LATENTS. law: confidence and the value
 * that p is of; its df is not looked at. Ends are not cut to a range. Without a seed nothing is
 * known. */
void ps_over_seeds(ps_of_seeds seeds, const ps_interval_law *law, ps_interval *out);
/* Of ps_two_way_result. */
void ps_over_seeds_two_way(ps_of_seeds seeds, double confidence, ps_two_way_result *out);
/* The mean of a double over the seeds that have one; NaN: none has. */
double ps_over_seeds_mean(ps_of_seeds seeds);

#endif
