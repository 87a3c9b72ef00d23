/* tools/cmd/prune_run.h: the work of `prune`: what masks are made from, and masks made from it. A
 * rounding file counts as a mask here.
 *
 * The inputs are opened once. The masks of several sparsities are made in one go (prune/pruning.h):
 *
 *   ps_prune_open -> ps_prune_find for each -> ps_engine_start with ps_prune_need ->
 *   ps_prune_masks -> ps_prune_close */
#ifndef PS_TOOLS_CMD_PRUNE_RUN_H
#define PS_TOOLS_CMD_PRUNE_RUN_H

#include "io/edit_writer.h"
#include "io/stats_file.h"
#include "prune/random.h"
#include "prune/rounding.h"
#include "prune/wanda.h"
#include "tools/cmd/prune_plan.h"
#include "tools/engine/engine.h"
#include "tools/run/output_path.h"

/* The model and the files that masks are made from. It must stay in its place while it is open. */
typedef struct ps_prune_inputs {
	ps_engine engine;
	ps_token_file token_file;
	ps_stats_file stats_file;
	ps_edit_file like_file, assumed_file;
	const ps_token_file *tokens; /* &token_file; NULL: none */
	const ps_stats_file *stats;  /* &stats_file; NULL: none */
	const ps_edit_file *like;    /* &like_file; NULL: none */
	const ps_edit_file *assumed; /* &assumed_file, the mask of --assume; NULL: none */
	const ps_edit_file *match;   /* the reference of --match-ppl (prune_match.h); NULL: none */
	uint64_t text_digest;        /* of the ids that it is scored on */
	ps_weight_lookup lookup;     /* the dense weights in the mapping */
} ps_prune_inputs;

/* Opens the model, and the tokens, the statistics and the other mask that the arguments name, and
 * checks that they belong together. Completes the plan of a mask like another. Call ps_prune_close
 * whatever it returns. */
int ps_prune_open(ps_prune_inputs *in, ps_session *session, const ps_prune_args *args,
		  ps_prune_plan *plan) PS_MUST_USE;
/* Closes what was opened. Zeroed inputs are allowed. */
void ps_prune_close(ps_prune_inputs *in);

/* A mask that is asked for. Those of one go differ in sparsity and output alone. */
typedef struct ps_prune_target {
	ps_prune_plan plan;
	ps_output output;
	bool done;             /* it is there */
	ps_edit_totals totals; /* of one that is done */
} ps_prune_target;

/* Arena bytes of the method for `count` masks in one go, and of what it reads. */
size_t ps_prune_method_bytes(const ps_prune_inputs *in, const ps_prune_plan *plan, size_t count);

/* What ps_engine_start must provide for `count` masks like this one. folder: PATH_MAX bytes that
 * outlive the need. */
ps_engine_need ps_prune_need(const ps_prune_inputs *in, const ps_prune_target *target, size_t count,
			     char *folder);

/* Looks whether the mask is there already. */
int ps_prune_find(const ps_prune_inputs *in, ps_prune_target *target) PS_MUST_USE;

/* Takes statistics from the engine's arena and reads them from the file. */
void ps_prune_read_stats(ps_prune_inputs *in, ps_wanda_stats *stats);

/* How a random mask is drawn. *lookup: where the other mask is found, if there is one. Both
 * arguments must outlive the rule. */
ps_random_rule ps_prune_random_rule(const ps_prune_inputs *in, const ps_prune_plan *plan,
				    ps_mask_lookup *lookup);

/* Where masks go, or the scales of a rounding. */
typedef struct ps_prune_sinks {
	ps_prune_sweep masks; /* random masks: one */
	ps_scale_sink scales;
} ps_prune_sinks;

/* Computes the masks of the sweep by the plan, whose own sparsity counts for a random mask alone.
 * The engine is started, and its arena is rewound at the end. */
int ps_prune_compute(ps_prune_inputs *in, const ps_prune_plan *plan,
		     const ps_prune_sinks *sinks) PS_MUST_USE;

/* The provenance of the plan's mask. A new reference; NULL: no memory. */
json_t *ps_prune_provenance(const ps_prune_inputs *in, const ps_prune_plan *plan);
/* Begins the file of the plan's mask. match: ps_edit_spec.match. */
int ps_prune_begin(const ps_prune_inputs *in, const ps_prune_plan *plan, const char *path,
		   const json_t *match, ps_edit_writer **writer) PS_MUST_USE;

/* Computes the masks and writes them to their outputs; all are done then. count: at most
 * PS_LIST_MAX. The engine is started, and its arena is rewound at the end. */
int ps_prune_masks(ps_prune_inputs *in, ps_prune_target *const *targets, size_t count) PS_MUST_USE;

#endif
