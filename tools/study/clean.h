/* tools/study/clean.h: removing what no step of a study owns any more. */
#ifndef PS_TOOLS_STUDY_CLEAN_H
#define PS_TOOLS_STUDY_CLEAN_H

#include "tools/study/graph.h"

/* Removes every file and folder below OUT/runs that no node of the graph owns: records and outputs
 * of models, seeds and conditions that the study file no longer names. Says each path. dry: says
 * and counts only. *files, *bytes: what was removed, or would be. PS_EUSAGE: another process holds
 * a step, and nothing is removed. */
int ps_study_clean(ps_graph *graph, bool dry, size_t *files, uint64_t *bytes) PS_MUST_USE;

#endif
