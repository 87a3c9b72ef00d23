/* tools/study/cost.h: what steps cost: seconds, memory, disk.
 *
 * Seconds stand on rates that are measured on the models at hand (tools/study/rates.h) when the first estimate is
 * asked for, and are then weighed, kind by kind, by what finished steps really took. What they took is kept in
 * OUT/times.jsonl, a line a call: it tells nothing of the results and may be deleted at any time. */
#ifndef PS_TOOLS_STUDY_COST_H
#define PS_TOOLS_STUDY_COST_H

#include "tools/study/graph.h"

typedef struct ps_costs ps_costs;

typedef struct ps_cost {
	double seconds;
	uint64_t memory_bytes; /* that the step's plan wants, at most the budget */
	uint64_t disk_bytes;   /* of its outputs */
} ps_cost;

/* Measures what the steps to do need; reads what earlier ones took. Sets graph->costs, which ps_costs_close frees. */
int ps_costs_open(ps_graph *graph) PS_MUST_USE;
void ps_costs_close(ps_graph *graph); /* without costs: nothing */

/* Of one node in a call of its own. Without costs: zeros. */
ps_cost ps_cost_of(const ps_graph *graph, const ps_node *node);
/* Of a call that carries out these nodes, and of all that is to do beyond them. Not known: 0 and -1. */
void ps_cost_expect(const ps_graph *graph, ps_node *const *nodes, size_t count, double *seconds,
		    double *rest_seconds);
/* Notes what a call took. */
int ps_cost_note(ps_graph *graph, ps_node *const *nodes, size_t count, double seconds) PS_MUST_USE;

#endif
