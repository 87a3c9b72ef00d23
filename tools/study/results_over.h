/* tools/study/results_over.h: what results.json says over all conditions of a study: diagnostics
 * and their trivial rivals, families of tests, predictors of survival, Kendall's W.
 *
 * Conditions of one model share its text, its SAEs and its latents. So the model is the unit:
 * intervals resample models, and each number also stands for each model alone. */
#ifndef PS_TOOLS_STUDY_RESULTS_OVER_H
#define PS_TOOLS_STUDY_RESULTS_OVER_H

#include "tools/study/results_json.h"

/* Puts these keys of the root. models, conditions, comparisons: the root's own lists. PS_EBUDGET:
 * no memory. */
int ps_results_over(ps_making *making, const json_t *models, const json_t *conditions,
		    const json_t *comparisons, json_t *root) PS_MUST_USE;

#endif
