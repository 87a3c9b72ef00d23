/* analysis/auc.h: how well a score tells survivors from the lost.
 *
 *   auc = U / (n1 n0)
 *
 * U is Mann-Whitney's count of pairs (one survivor, one lost) in which the survivor has the higher
 * score; ties count one half. 0.5: the score says nothing; below: lower scores survive. It equals
 * scikit-learn's roc_auc_score.
 *
 * The interval is DeLong's (DeLong, DeLong, Clarke-Pearson, Biometrics 44, 1988), because it needs
 * no draws and holds its level with few latents:
 *   s10: variance over survivors of the share of the lost that score lower (ties one half)
 *   s01: variance over the lost of the share of survivors that score higher
 *   error^2 = s10 / n1 + s01 / n0
 * with Student's distribution and Welch's degrees of freedom, as in Brunner, Munzel (Biometrical J.
 * 42, 2000). p is that of auc = 0.5. The unit is the latent, n the smaller group. Ends are cut to
 * [0, 1]. */
#ifndef PS_ANALYSIS_AUC_H
#define PS_ANALYSIS_AUC_H

#include "analysis/interval.h"
#include "core/base/arena.h"

typedef struct ps_auc_data {
	const double *score;     /* (count) */
	const uint8_t *positive; /* (count): survived */
	size_t count;
} ps_auc_data;

/* Items whose score is NaN are left out. NaN where a group is empty. Takes ps_auc_bytes from the
 * arena and gives them back. Cost: O(count log count). */
size_t ps_auc_bytes(size_t count);
void ps_auc(const ps_auc_data *data, double confidence, ps_arena *arena, ps_interval *out);

/* Turns the AUCs of one score, a mean for each of `models` models, into held-out ones. Whether high
 * or low scores survive is learnt from the mean of the other models alone: where that is below 0.5,
 * held_out[m] = 1 - auc[m]. NaN where a model's own or all others are NaN. */
void ps_auc_held_out(const double *auc, size_t models, double *held_out);

#endif
