/* tools/study/assemble.h: results.json from the records of a graph's nodes. */
#ifndef PS_TOOLS_STUDY_ASSEMBLE_H
#define PS_TOOLS_STUDY_ASSEMBLE_H

#include "tools/study/graph.h"

/* Runs the step `assemble` (tools/study/steps.h): writes OUT/results.json. All nodes that it reads
 * must be done. Arguments are those of ps_step_kind.run. */
int ps_assemble(ps_graph *graph, ps_node *const *nodes, size_t count, json_t **results) PS_MUST_USE;

#endif
