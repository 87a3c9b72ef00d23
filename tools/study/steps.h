/* tools/study/steps.h: the kinds of steps that a study is made of.
 *
 * One table has a row a kind: the command behind it, how its arguments determine its bits, whether the precision does
 * too, how many nodes one call may carry out, and the function. To add a kind of step: add its command (tools/cmd),
 * the table of its arguments (arguments.c), a row here, and its nodes in graph_nodes.c. */
#ifndef PS_TOOLS_STUDY_STEPS_H
#define PS_TOOLS_STUDY_STEPS_H

#include "tools/cmd/commands.h"
#include "tools/study/arguments.h"

typedef struct ps_graph ps_graph;
typedef struct ps_node ps_node;

typedef enum ps_step {
	PS_STEP_TOKENIZE,
	PS_STEP_PRUNE,
	PS_STEP_PPL,
	PS_STEP_CACHE,
	PS_STEP_TRAIN,
	PS_STEP_TRANSFER,
	PS_STEP_SPLICE,
	PS_STEP_ABLATE,
	PS_STEP_SEEDS,
	PS_STEP_SURVIVAL,
	PS_STEP_ASSEMBLE,
	PS_STEP_REPORT,
	PS_STEPS
} ps_step;

typedef struct ps_step_kind {
	ps_step step;
	const char *command;
	const ps_argument_table *arguments; /* NULL: the node's inputs alone */
	bool forward;   /* a forward pass takes part: the precision determines the bits */
	bool transient; /* its output is removed after its last reader */
	bool summary;   /* it only brings other steps' results together: replaced without --force */
	size_t batch_max; /* nodes in one call */
	/* Carries out the nodes, whose args are filled in; results[count] are new. Nodes of one call are of one model. */
	int (*run)(ps_graph *graph, ps_node *const *nodes, size_t count, json_t **results);
	const char *
		headline; /* a number of the result that is shown when the step is done; NULL: none */
} ps_step_kind;

extern const ps_step_kind ps_step_kinds[PS_STEPS];

/* Whether the precision of the forward pass determines the bits of the node's result. */
bool ps_step_uses_precision(const ps_node *node);

#endif
