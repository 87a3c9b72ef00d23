/* tools/study/results_features.h: what results.json says of single features: where each condition's
 * table and cards are, and how many latents are of each class. */
#ifndef PS_TOOLS_STUDY_RESULTS_FEATURES_H
#define PS_TOOLS_STUDY_RESULTS_FEATURES_H

#include "tools/study/results_json.h"

/* Puts the list under the key `features` of the whole. */
void ps_results_features(ps_making *m, json_t *root);

#endif
