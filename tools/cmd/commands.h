/* tools/cmd/commands.h: the commands as functions, shared by the command line and the study.
 *
 * ps_run_X does the work of command X from a filled-in argument struct and returns the values of --json in
 * *result (a new object, owned by the caller; untouched on failure). */
#ifndef PS_TOOLS_CMD_COMMANDS_H
#define PS_TOOLS_CMD_COMMANDS_H

#include "tools/run/lists.h"
#include "tools/run/session.h"
#include "tools/train/train_args.h"

typedef struct ps_tokenize_args {
	const char *model, *out;
	ps_text_list texts;
	int64_t window, windows; /* windows 0: all */
	bool bos_window, per_line;
	int64_t min_chars;
} ps_tokenize_args;
int ps_run_tokenize(ps_session *session, const ps_tokenize_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_ppl_args {
	const char *model, *text, *mask;
	int64_t window, stride, max_tokens; /* max_tokens 0: all */
	bool dry_run;
	bool per_window; /* result also has window_nll and window_tokens (sums and counts) */
} ps_ppl_args;
int ps_run_ppl(ps_session *session, const ps_ppl_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_logits_args {
	const char *model, *tokens, *mask, *out;
	bool dry_run;
} ps_logits_args;
int ps_run_logits(ps_session *session, const ps_logits_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_calibrate_args {
	const char *model, *tokens, *out;
	bool dry_run;
} ps_calibrate_args;
int ps_run_calibrate(ps_session *session, const ps_calibrate_args *args,
		     json_t **result) PS_MUST_USE;

typedef struct ps_prune_args {
	const char *model, *method, *scope, *calibration, *tokens, *stats, *nm,
		*out;    /* NULL: the method's default */
	double sparsity; /* negative: not given */
	bool pool_embedding, dry_run;
} ps_prune_args;
int ps_run_prune(ps_session *session, const ps_prune_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_export_args {
	const char *model, *mask, *out;
	bool replace; /* an output of another provenance */
} ps_export_args;
int ps_run_export(ps_session *session, const ps_export_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_cache_variant {
	const char *mask,
		*out; /* mask NULL: dense; out: its cache, or with several layers the folder of them */
} ps_cache_variant;

typedef struct ps_cache_args {
	const char *model, *tokens, *dtype, *order;
	ps_int_list layers;
	size_t variant_count;
	ps_cache_variant variants[PS_LIST_MAX];
	uint64_t seed; /* of the order, where it is shuffled */
	bool replace;  /* caches of another provenance */
	bool dry_run;
} ps_cache_args;
int ps_run_cache(ps_session *session, const ps_cache_args *args, json_t **result) PS_MUST_USE;

int ps_run_train(ps_session *session, const ps_train_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_eval_args {
	const char *sae, *cache;           /* cache, or */
	const char *model, *tokens, *mask; /* a model, its tokens */
	int64_t layer, windows, last;      /* windows, last (rows of the cache) 0: all */
	bool keep_special, dry_run;        /* dry_run: with a model only */
} ps_eval_args;
int ps_run_eval(ps_session *session, const ps_eval_args *args, json_t **result) PS_MUST_USE;

/* How a model's loss changes when one latent of an SAE is taken out (defined in analysis/ablation.h).
 * result: latents (count), mean_effect (nats per token), latent [N], effect [N], rate [N], windows, window_tokens,
 * window_change [N][windows] (sums over a window's tokens). */
typedef struct ps_ablate_args {
	const char *model, *sae, *tokens, *mask; /* mask NULL: dense */
	int64_t layer, features, windows;        /* features: latents to ablate, as many as fire */
	uint64_t seed;                           /* of the choice of latents */
} ps_ablate_args;
int ps_run_ablate(ps_session *session, const ps_ablate_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_compare_args {
	const char *a, *b;
	double tau;
	uint64_t seed; /* of the random rows behind mmcs_null */
} ps_compare_args;
int ps_run_compare(ps_session *session, const ps_compare_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_study_args {
	const char *file, *out;
	bool dry_run, keep_caches, force;
	size_t disk_bytes; /* 0: no limit */
} ps_study_args;
int ps_run_study(ps_session *session, const ps_study_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_report_args {
	const char *folder;
} ps_report_args;
int ps_run_report(ps_session *session, const ps_report_args *args, json_t **result) PS_MUST_USE;

#endif
