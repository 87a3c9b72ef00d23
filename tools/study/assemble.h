/* tools/study/assemble.h: results.json from the records of a graph's nodes. */
#ifndef PS_TOOLS_STUDY_ASSEMBLE_H
#define PS_TOOLS_STUDY_ASSEMBLE_H

#include "tools/study/graph.h"

/* The step `assemble` (tools/study/steps.h): writes OUT/results.json. All other nodes must be done. */
int ps_assemble(ps_graph *graph, ps_node *const *nodes, size_t count, json_t **results) PS_MUST_USE;

#endif
