/* tools/study/results_ablation.h: what results.json says of latents that were ablated in a dense
 * model. */
#ifndef PS_TOOLS_STUDY_RESULTS_ABLATION_H
#define PS_TOOLS_STUDY_RESULTS_ABLATION_H

#include "tools/study/results_json.h"

/* *out: models[].ablation, or null where no latents were ablated. PS_EBUDGET, PS_EINTERRUPTED. */
int ps_results_dense_ablation(ps_making *m, const ps_model_records *model,
			      json_t **out) PS_MUST_USE;

#endif
