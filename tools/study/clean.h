/* tools/study/clean.h: removing what no step of a study owns any more. */
#ifndef PS_TOOLS_STUDY_CLEAN_H
#define PS_TOOLS_STUDY_CLEAN_H

#include "tools/study/graph.h"

/* Removes, below OUT/runs, every file and folder that no node of the graph owns: records and outputs of models, seeds
 * and conditions that the study file no longer names. What a running process holds stays (PS_EUSAGE naming it, nothing
 * removed). dry: only counts. *files, *bytes: what was removed. Each path is said. */
int ps_study_clean(ps_graph *graph, bool dry, size_t *files, uint64_t *bytes) PS_MUST_USE;

#endif
