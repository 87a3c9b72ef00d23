/* tools/study/cost.h: what steps cost: seconds, memory, disk.
 *
 * The first estimate measures rates on the models at hand (tools/study/rates.h). What finished
 * steps of each kind really took corrects the estimates (tools/study/correction.h). OUT/times.jsonl
 * keeps it, one line for each call. That file says nothing about results, and may be deleted at any
 * time. */
#ifndef PS_TOOLS_STUDY_COST_H
#define PS_TOOLS_STUDY_COST_H

#include "tools/study/graph.h"

typedef struct ps_costs ps_costs;

typedef struct ps_cost {
	double seconds;
	uint64_t memory_bytes; /* that the step's plan takes within the budget */
	uint64_t disk_bytes;   /* of its outputs */
} ps_cost;

/* Measures what the steps to do need, and reads what earlier steps took. Sets graph->costs, which
 * ps_costs_close frees. */
int ps_costs_open(ps_graph *graph) PS_MUST_USE;
void ps_costs_close(ps_graph *graph); /* a graph without costs is allowed */

/* The cost of one node in a call of its own. A graph without costs: zeros. */
ps_cost ps_cost_of(const ps_graph *graph, const ps_node *node);
/* *seconds: of a call that carries out these nodes; 0: not known. *rest_seconds: of all steps that
 * are to do beyond them; -1: not known. */
void ps_cost_expect(const ps_graph *graph, ps_node *const *nodes, size_t count, double *seconds,
		    double *rest_seconds);
/* Notes what a call took, for later estimates. */
int ps_cost_note(ps_graph *graph, ps_node *const *nodes, size_t count, double seconds) PS_MUST_USE;

#endif
