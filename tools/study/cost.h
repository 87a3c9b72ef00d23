/* tools/study/cost.h: what steps cost: seconds, memory, disk.
 *
 * The first estimates come from rates measured on the study's models (tools/study/rates.h). The
 * times that finished steps of each kind took correct them (tools/study/correction.h).
 * OUT/times.jsonl keeps these times, one line for each call. No result depends on that file, and it
 * may be deleted at any time. */
#ifndef PS_TOOLS_STUDY_COST_H
#define PS_TOOLS_STUDY_COST_H

#include "tools/study/graph.h"

typedef struct ps_costs ps_costs;

typedef struct ps_cost {
	double seconds;
	uint64_t memory_bytes; /* of the step's plan, within the budget */
	uint64_t disk_bytes;   /* of the step's outputs, and of rows that a training sorts */
} ps_cost;

/* The disk that a training of the model takes to sort its rows (io/row_sort.h); 0: the cache fits
 * in the budget, or its rows are read in another way. graph->costs is not needed. */
uint64_t ps_cost_sort_bytes(const ps_graph *graph, size_t model);

/* Measures what the steps that must run need, and reads how long earlier steps took. Sets
 * graph->costs, which ps_costs_close frees. */
int ps_costs_open(ps_graph *graph) PS_MUST_USE;
void ps_costs_close(ps_graph *graph); /* a graph without costs is allowed */

/* The cost of one node in a call of its own. A graph without costs: zeros. */
ps_cost ps_cost_of(const ps_graph *graph, const ps_node *node);
/* *bytes: the least budget with which every step that must run does run, each in a call of its own;
 * 0: none must run. *node: the one that needs it. Opens the models and their tokenizers; nothing is
 * measured, and graph->costs is not needed. */
int ps_cost_least(const ps_graph *graph, size_t *bytes, const ps_node **node) PS_MUST_USE;
/* *seconds: of a call that carries out these nodes; 0: not known. *rest_seconds: of all other steps
 * that must run; -1: not known. */
void ps_cost_expect(const ps_graph *graph, ps_node *const *nodes, size_t count, double *seconds,
		    double *rest_seconds);
/* Notes what a call took, for later estimates. */
void ps_cost_note(ps_graph *graph, ps_node *const *nodes, size_t count, double seconds);

#endif
