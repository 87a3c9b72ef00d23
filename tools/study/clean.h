/* tools/study/clean.h: removing what no step of a study owns any more. */
#ifndef PS_TOOLS_STUDY_CLEAN_H
#define PS_TOOLS_STUDY_CLEAN_H

#include "tools/study/graph.h"

/* Removes, below OUT/runs, every file and folder that no node of the graph owns: records and
 * outputs of models, seeds and conditions that the study file names no longer. All that lies in a
 * node's output folder belongs to that node. Prints each path that it removes.
 *   dry            removes nothing; prints and counts what it would remove
 *   *files, *bytes files removed, and their sizes added up; folders do not count
 * PS_EUSAGE, and nothing is removed, while another process holds a step, of this study file or of
 * an earlier one. Errors of the file system: PS_EOUTPUT, -errno. */
int ps_study_clean(ps_graph *graph, bool dry, size_t *files, uint64_t *bytes) PS_MUST_USE;

#endif
