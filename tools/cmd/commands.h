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
	bool dry_run;
} ps_ablate_args;
int ps_run_ablate(ps_session *session, const ps_ablate_args *args, json_t **result) PS_MUST_USE;

typedef struct ps_compare_args {
	const char *a, *b;
	double tau;
	uint64_t seed; /* of the random rows behind mmcs_null */
} ps_compare_args;
int ps_run_compare(ps_session *session, const ps_compare_args *args, json_t **result) PS_MUST_USE;

/* How one dictionary, the dense model's, works on the pruned model's activations (analysis/transfer.h).
 * result: rows, windows; for each m of jaccard, cosine, fvu_dense, fvu, fvu_change, l0_dense, l0, l0_change: m (a
 * number or null) and m_interval {estimate, low, high}. fvu and l0 are the pruned model's. */
typedef struct ps_transfer_args {
	const char *sae;            /* the dictionary, frozen */
	const char *dense, *pruned; /* activation caches of the same tokens */
	int64_t samples;            /* of the bootstrap */
	uint64_t seed;              /* of the bootstrap */
	bool keep_special;
	const char *out; /* per latent; NULL: not wanted */
} ps_transfer_args;
int ps_run_transfer(ps_session *session, const ps_transfer_args *args, json_t **result) PS_MUST_USE;

/* How far SAEs of the same activations agree (analysis/seeds.h).
 * result: pairs [{a, b, survival [one for each of ps_taus], hungarian_cosine, shared_fraction, mmcs, mmcs_null}],
 * survival [one for each of ps_taus: {mean, low, high} over the pairs]. */
typedef struct ps_seeds_args {
	ps_text_list saes; /* two or more, of the same activations */
	ps_int_list
		labels; /* what a pair's a and b say of them, in the same order; empty: 0, 1, ... */
	int64_t samples; /* of the bootstrap */
	uint64_t seed;   /* of the bootstrap, and of the random rows behind mmcs_null */
} ps_seeds_args;
int ps_run_seeds(ps_session *session, const ps_seeds_args *args, json_t **result) PS_MUST_USE;

/* Which latents of a dense SAE are found again in the SAEs of pruned models, and which those are (analysis/seeds.h,
 * fragility.h, ablation.h). A condition is one pruned model.
 * results [count], one a condition: survival {taus, mean, sd, alive, other_seed}, fragility {alive, size, survival,
 * difference_latents, difference_clusters, rho_quintiles, rho_latents}, ablation {features, survivors,
 * mean_survivors, mean_lost, rho_survival, rho_cosine, partial_survival, partial_cosine, difference_features,
 * difference_clusters} or null. What conditions share (dense SAEs, firing counts) is computed once. */
typedef struct ps_survival_args {
	ps_text_list dense; /* SAEs of the dense model; the first one's latents are followed */
	const char *cache;  /* the dense activations: where its latents fire */
	const char *
		ablation; /* file with ablate's result, bare or as a record's "result"; NULL: none */
	int64_t samples;  /* of the bootstrap */
	uint64_t seed;    /* of the bootstrap */
	size_t count;     /* conditions */
	const ps_text_list *pruned; /* [count]: the SAEs of each, seed by seed as dense's */
} ps_survival_args;
int ps_run_survival(ps_session *session, const ps_survival_args *args,
		    json_t **results) PS_MUST_USE;

typedef struct ps_report_args {
	const char *folder;
} ps_report_args;
int ps_run_report(ps_session *session, const ps_report_args *args, json_t **result) PS_MUST_USE;

#endif
