/* tools/study/results_seeds.h: what results.json says over the dense SAEs of all seeds. */
#ifndef PS_TOOLS_STUDY_RESULTS_SEEDS_H
#define PS_TOOLS_STUDY_RESULTS_SEEDS_H

#include "tools/study/results_json.h"

/* Puts RQ3's numbers into a condition: means over the dense seeds (analysis/over_seeds.h), and the
 * list of all seeds. Without a transfer all are null, and the list is empty. */
void ps_results_put_transfer(ps_making *m, json_t *condition, const ps_condition_records *records);

/* A list of the SAEs of all seeds, spliced into the condition's model. */
json_t *ps_results_splices(ps_making *m, const ps_condition_records *records);

/* Puts its seed into each entry of the condition's lists called by_seed. */
void ps_results_name_seeds(ps_making *m, json_t *condition);

#endif
