/* tools/cmd/prune_run.h: the work of `prune`: what masks are made from, and one mask made from it.
 * A rounding file counts as a mask here.
 *
 * The inputs are opened once and serve one mask after the other:
 *
 *   ps_prune_open -> ps_prune_find -> ps_engine_start with ps_prune_need -> ps_prune_mask ...
 *   -> ps_prune_close */
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
	ps_edit_file like_file;
	const ps_token_file *tokens; /* &token_file; NULL: none */
	const ps_stats_file *stats;  /* &stats_file; NULL: none */
	const ps_edit_file *like;    /* &like_file; NULL: none */
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

/* Arena bytes of the method, and of what it reads. */
size_t ps_prune_method_bytes(const ps_prune_inputs *in, const ps_prune_plan *plan);

/* What ps_engine_start must provide for a mask. out: path of the mask. folder: PATH_MAX bytes that
 * outlive the need. */
ps_engine_need ps_prune_need(const ps_prune_inputs *in, const ps_prune_plan *plan, const char *out,
			     char *folder);

/* *done: the mask is there already; *totals are then its own. */
int ps_prune_find(const ps_prune_inputs *in, const ps_prune_plan *plan, const ps_output *output,
		  bool *done, ps_edit_totals *totals) PS_MUST_USE;

/* Takes statistics from the engine's arena and reads them from the file. */
void ps_prune_read_stats(ps_prune_inputs *in, ps_wanda_stats *stats);

/* How a random mask is drawn. *lookup: where the other mask is found, if there is one. Both
 * arguments must outlive the rule. */
ps_random_rule ps_prune_random_rule(const ps_prune_inputs *in, const ps_prune_plan *plan,
				    ps_mask_lookup *lookup);

/* Where masks go, or the scales of a rounding. */
typedef struct ps_prune_sinks {
	ps_mask_sink masks;
	ps_scale_sink scales;
} ps_prune_sinks;

/* Computes one mask. The engine is started, and its arena is rewound at the end. */
int ps_prune_compute(ps_prune_inputs *in, const ps_prune_plan *plan,
		     const ps_prune_sinks *sinks) PS_MUST_USE;

/* The provenance of the plan's mask. A new reference; NULL: no memory. */
json_t *ps_prune_provenance(const ps_prune_inputs *in, const ps_prune_plan *plan);
/* Begins the file of the plan's mask. match: ps_edit_spec.match. */
int ps_prune_begin(const ps_prune_inputs *in, const ps_prune_plan *plan, const char *path,
		   const json_t *match, ps_edit_writer **writer) PS_MUST_USE;

/* Computes one mask and writes it to `out`. The engine is started, and its arena is rewound at the
 * end. */
int ps_prune_mask(ps_prune_inputs *in, const ps_prune_plan *plan, const char *out,
		  ps_edit_totals *totals) PS_MUST_USE;

#endif
