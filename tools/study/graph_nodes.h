/* tools/study/graph_nodes.h: the nodes of one model and of the study as a whole. */
#ifndef PS_TOOLS_STUDY_GRAPH_NODES_H
#define PS_TOOLS_STUDY_GRAPH_NODES_H

#include "tools/study/graph.h"

/* Adds the nodes of an opened model, each after those that it reads. A single process carries them
 * out in this order. */
int ps_graph_add_model(ps_graph *graph, size_t model) PS_MUST_USE;
/* Adds results.json and the report, which read everything. */
int ps_graph_add_summary(ps_graph *graph) PS_MUST_USE;

/* Makes a path known: in the keys of the steps that read it, value stands in its place. Takes over
 * value. */
int ps_graph_identify(ps_graph *graph, const char *path, json_t *value) PS_MUST_USE;

#endif
