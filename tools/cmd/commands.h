/* tools/cmd/commands.h: the commands as functions, shared by the command line and the study.
 *
 * ps_run_X does the work of command X from a filled-in argument struct and returns the values of --json in
 * *result (a new object, owned by the caller; untouched on failure). ps_command_X parses a command line. */
#ifndef PS_TOOLS_CMD_COMMANDS_H
#define PS_TOOLS_CMD_COMMANDS_H

#include "tools/run/session.h"

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
	bool per_window;                    /* result also has window_nll and window_tokens (sums and counts) */
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
int ps_run_calibrate(ps_session *session, const ps_calibrate_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_prune_args {
	const char *model, *method, *scope, *calibration, *tokens, *stats, *nm, *out; /* NULL: the method's default */
	double sparsity; /* negative: not given */
	bool pool_embedding, dry_run;
} ps_prune_args;
int ps_run_prune(ps_session *session, const ps_prune_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_export_args {
	const char *model, *mask, *out;
} ps_export_args;
int ps_run_export(ps_session *session, const ps_export_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_cache_variant {
	const char *mask, *out; /* mask NULL: dense; out: its cache, or with several layers the folder of them */
} ps_cache_variant;

typedef struct ps_cache_args {
	const char *model, *tokens, *dtype, *order;
	ps_int_list layers;
	size_t variant_count;
	ps_cache_variant variants[PS_LIST_MAX];
	bool dry_run;
} ps_cache_args;
int ps_run_cache(ps_session *session, const ps_cache_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_train_args {
	const char *cache, *arch, *recipe, *order, *out;
	ps_int_list d_sae, expansion, k;            /* d_sae empty: expansion * width; expansion empty: 8; k empty: 64 */
	ps_text_list with;                          /* further caches, of the same tokens */
	int64_t tokens, batch;                      /* tokens 0: one epoch */
	int64_t read_ahead;                         /* rows; negative: a batch */
	int64_t hold_out;                           /* rows at the end that are not trained on but measured */
	int64_t data_seed;                          /* negative: the SAE's own seed */
	ps_int_list seeds;                          /* empty: the session's seed; an SAE for each of width, k and seed */
	bool keep_special;
	const char *log;   /* prefix of the log's files; NULL: none */
	double save_every; /* seconds between states saved */
	/* over the recipe's: NULL, NaN, a negative count or a rate of 0 leave it as it is */
	double lr, warmup, decay, lr_end, beta1, beta2, clip, encoder_scale, sparsity, sparsity_warmup, target_l0, bandwidth, auxk, k_anneal;
	const char *schedule, *penalty, *auxk_form, *b_dec;
	int64_t dead_after, resample, k_start;
	ps_int_list matryoshka; /* widths of nested levels */
} ps_train_args;
/* What holds where the user says nothing. */
ps_train_args ps_train_args_default(void);
int ps_run_train(ps_session *session, const ps_train_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_eval_args {
	const char *sae, *cache;                 /* cache, or */
	const char *model, *tokens, *mask;       /* a model, its tokens */
	int64_t layer, windows, last;            /* windows, last (rows of the cache) 0: all */
	bool keep_special, dry_run;              /* dry_run: with a model only */
} ps_eval_args;
int ps_run_eval(ps_session *session, const ps_eval_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_compare_args {
	const char *a, *b;
	double tau;
} ps_compare_args;
int ps_run_compare(ps_session *session, const ps_compare_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_study_args {
	const char *file, *out;
	bool dry_run, keep_caches;
	size_t disk_bytes; /* 0: no limit */
} ps_study_args;
int ps_run_study(ps_session *session, const ps_study_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_report_args {
	const char *folder;
} ps_report_args;
int ps_run_report(ps_session *session, const ps_report_args *args, json_t **result) PS_MUST_USE;

/* One entry of the command line's table. */
typedef struct ps_command {
	const char *name, *usage, *summary;
	int (*main)(ps_session *session, int argc, char **argv, json_t **result);
} ps_command;

extern const ps_command ps_commands_model[]; /* tokenize ppl logits calibrate prune export cache, NULL-ended */
extern const ps_command ps_commands_sae[];   /* train eval compare */
extern const ps_command ps_commands_study[]; /* study report */

/* Parses with the common options added, checks the number of positional arguments and the wanted options, and starts
 * the session. */
int ps_command_begin(ps_session *session, int argc, char **argv, const ps_option *table, size_t least, size_t most,
		     ps_text_list *positional) PS_MUST_USE;

#endif
