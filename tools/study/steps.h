/* tools/study/steps.h: the kinds of steps that a study is made of.
 *
 * One table has a row for each kind. To add a kind:
 *   1. its command (tools/cmd, tools/cli), with a version in tools/run/code_version.c,
 *   2. the table of the command's arguments (arguments.c),
 *   3. a value of ps_step and a row of ps_step_kinds,
 *   4. its nodes (graph_nodes.c), and where others find them (graph.h),
 *   5. its time and memory (estimate.c, called from cost.c),
 *   6. if results.json needs its result: assemble.c and results.c. */
#ifndef PS_TOOLS_STUDY_STEPS_H
#define PS_TOOLS_STUDY_STEPS_H

#include "tools/cmd/commands.h"
#include "tools/study/arguments.h"

typedef struct ps_graph ps_graph;
typedef struct ps_node ps_node;

typedef enum ps_step {
	PS_STEP_TOKENIZE,
	PS_STEP_PRUNE,
	PS_STEP_SPARSITY,
	PS_STEP_PPL,
	PS_STEP_CACHE,
	PS_STEP_TRAIN,
	PS_STEP_TRANSFER,
	PS_STEP_FEATURES,
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
	/* NULL: the key is made of the keys of the nodes that it reads. */
	const ps_argument_table *arguments;
	bool forward;     /* it has a forward pass, so the precision determines its bits */
	bool transient;   /* its output is removed after its last reader */
	bool summary;     /* it only summarises other steps: it is replaced without --force */
	size_t batch_max; /* nodes that one call may carry out (ps_step_shares) */
	/* Carries out count nodes of one model. The nodes' args are filled in. results (count):
	 * a new reference for each node. */
	int (*run)(ps_graph *graph, ps_node *const *nodes, size_t count, json_t **results);
	/* The number of the result that is shown when the step is done. NULL: none. */
	const char *headline;
} ps_step_kind;

extern const ps_step_kind ps_step_kinds[PS_STEPS];

/* What the record of a step without matrix products says in the place of a kernel. */
#define PS_NO_KERNEL "none"
/* Whether the matrix kernel takes part in the step. */
bool ps_step_uses_kernel(const ps_node *node);

/* Whether one call of their command may carry out both nodes: they are of one model, caches are
 * made from the same weights, SAEs take the same rows in one order, and survival is compared with
 * the same control. */
bool ps_step_shares(const ps_node *a, const ps_node *b);

/* Whether the precision determines the bits of the node's result. Magnitude masks have no forward
 * pass, though their kind may have one. */
bool ps_step_uses_precision(const ps_node *node);

#endif
