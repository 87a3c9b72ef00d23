/* tools/cmd/commands.h: the commands as functions. The command line and the study both call them.
 *
 * ps_run_X does the work of command X. It reads its arguments from a struct and returns the values
 * of --json in *result: a new object, which the caller owns. On failure *result stays as it was,
 * session->diag says why, and the code is one of core/base/error.h. Texts in arguments are
 * borrowed. A mask of NULL stands for the dense model. With dry_run the command writes nothing; the
 * result says what it would take of memory, disk and time (tools/engine/forecast.h).
 *
 * Every output follows one rule (tools/run/output_path.h). replace: one of another provenance gives
 * way, once the new one is whole.
 *
 * docs/DEFINITIONS.md defines every number of a result. */
#ifndef PS_TOOLS_CMD_COMMANDS_H
#define PS_TOOLS_CMD_COMMANDS_H

#include "analysis/feature_stats.h"
#include "tools/run/lists.h"
#include "tools/run/session.h"
#include "tools/train/train_args.h"

/* Text to windows of token ids. result: windows, tokens. PS_EINPUT: the text gives none, or fewer
 * than asked for. If fewer are allowed and taken, the provenance says allow_fewer. */
typedef struct ps_tokenize_args {
	const char *model, *out;
	ps_text_list texts;
	int64_t window;    /* ids a window */
	int64_t windows;   /* the first ones; 0: all */
	bool allow_fewer;  /* the text may give fewer than `windows` */
	bool bos_window;   /* BOS opens each window */
	bool per_line;     /* a line is a document; else a file is */
	int64_t min_chars; /* shorter documents are left out */
	bool replace;      /* an output of another provenance gives way */
	bool dry_run;      /* the windows are counted, and nothing is written */
} ps_tokenize_args;
int ps_run_tokenize(ps_session *session, const ps_tokenize_args *args, json_t **result) PS_MUST_USE;

/* Perplexity over strided windows (ppl_windows.h). result: ppl, nll, tokens, windows, backend.
 * `count` models (1 to PS_LIST_MAX) go through each layer side by side, and the weights are read
 * once for all: their arguments differ in the mask alone. results (count): an object for each, also
 * where PS_EFAILED is returned because one of them overflows; with dry_run the first one is about
 * all. */
typedef struct ps_ppl_args {
	const char *model, *text, *mask;
	int64_t window, stride; /* in ids; 1 <= stride <= window */
	int64_t max_tokens;     /* only the first ids of the text; 0: all */
	bool allow_fewer;       /* the text may have fewer than max_tokens */
	bool dry_run;
	bool per_window; /* adds window_nll and window_tokens, sums and counts, to the result */
} ps_ppl_args;
int ps_run_ppl(ps_session *session, const ps_ppl_args *const *args, size_t count,
	       json_t **results) PS_MUST_USE;

/* Logits of every position, to a file. result: windows, window, vocab. */
typedef struct ps_logits_args {
	const char *model, *tokens, *mask, *out;
	bool replace, dry_run;
} ps_logits_args;
int ps_run_logits(ps_session *session, const ps_logits_args *args, json_t **result) PS_MUST_USE;

/* Mean squares of every projection's input, to a file. result: tokens. */
typedef struct ps_calibrate_args {
	const char *model, *tokens, *out;
	bool replace, dry_run;
} ps_calibrate_args;
int ps_run_calibrate(ps_session *session, const ps_calibrate_args *args,
		     json_t **result) PS_MUST_USE;

/* A pruning mask or a rounding, to a file. result: tensors, weights; of a mask sparsity_achieved
 * and dropped, of a rounding bits, group ("row" or a number) and bits_per_weight, scales
 * included; with match_ppl the keys of ps_prune_match (prune_match.h) too. */
typedef struct ps_prune_args {
	const char *model, *method;
	const char *scope, *calibration; /* NULL: the method's default */
	const char *tokens, *stats;      /* Wanda: one of them; else NULL */
	/* A mask or rounding file: the sparsity is found at which magnitude or random has its
	 * perplexity on a text, within a tolerance in nats; NULL: sparsity, nm or like is given. */
	const char *match_ppl, *text;
	int64_t window, stride, max_tokens; /* with match_ppl: as ps_ppl_args */
	double tolerance;
	bool nearest; /* with match_ppl: the nearest there is, where none is within the tolerance */
	const char *like; /* random: a mask with as many zeros; NULL: none */
	/* Wanda, sequential, one sparsity: the mask of the layers below, in the place of the one
	 * that is made (ps_prune_sweep.assumed); NULL: none. */
	const char *assume;
	const char *nm; /* "2:4"; NULL: sparsity or like is given */
	const char *out;
	const char *group; /* rtn: "row" or "128"; NULL: row */
	double sparsity;   /* negative: not given */
	uint64_t seed;     /* of a random mask */
	int64_t bits;      /* rtn: 3 to 8; else 0 */
	bool pool_embedding, replace, dry_run;
} ps_prune_args;
/* Makes `count` masks (1 to PS_LIST_MAX) in one go. Of several, the arguments differ in sparsity
 * and out alone, and the method is magnitude or Wanda. results (count): an object for each; with
 * dry_run the first one is about all. */
int ps_run_prune(ps_session *session, const ps_prune_args *const *args, size_t count,
		 json_t **results) PS_MUST_USE;

/* The share of zeros among the weights that pruning looks at (prune/zeros.h). result:
 * sparsity_achieved, zeros, weights, achieved: {q_proj, ..., down_proj}, the share in each kind. */
typedef struct ps_sparsity_args {
	const char *model;
} ps_sparsity_args;
int ps_run_sparsity(ps_session *session, const ps_sparsity_args *args, json_t **result) PS_MUST_USE;

/* An ordinary checkpoint with the mask's zeros in it, to a folder. result: files (written by this
 * run), already_done. */
typedef struct ps_export_args {
	const char *model, *mask, *out;
	bool replace; /* an output of another provenance gives way */
} ps_export_args;
int ps_run_export(ps_session *session, const ps_export_args *args, json_t **result) PS_MUST_USE;

/* One model of a pass: dense or under a mask. */
typedef struct ps_cache_variant {
	const char *mask;
	const char
		*out; /* its cache; with several layers the folder of its caches, layer-NN each */
} ps_cache_variant;

/* Activation caches of all layers and variants, from one forward pass. result: rows, shards,
 * layers, variants. */
typedef struct ps_cache_args {
	const char *model, *tokens;
	const char *changed_from; /* the model that this one was changed from; NULL: none */
	const char *dtype;        /* "f32" or "bf16" */
	const char *order;        /* "sequence" or "shuffled" */
	ps_int_list layers;
	size_t variant_count;
	ps_cache_variant variants[PS_LIST_MAX];
	uint64_t seed; /* of a shuffled order */
	bool replace;  /* caches of another provenance give way */
	/* With replace: they go at once, not when the new ones are whole. Not for a shuffled
	 * order. */
	bool old_first;
	bool dry_run;
} ps_cache_args;
int ps_run_cache(ps_session *session, const ps_cache_args *args, json_t **result) PS_MUST_USE;

/* SAEs from activation caches. result: tokens_per_s, seconds, seed, k, d_sae, fvu, l0,
 * dead_fraction, with rows held out held_out_fvu and held_out_l0. Of several SAEs these are the
 * last one's, and `saes` lists all. */
int ps_run_train(ps_session *session, const ps_train_args *args, json_t **result) PS_MUST_USE;
/* The same for several commands at once, args (count), which share a read of the data
 * (ps_train_args_share; else PS_EFAILED). Each SAE has the bits, and results (count) are the
 * results, that it has in a command of its own. */
int ps_run_trains(ps_session *session, const ps_train_args *args, size_t count,
		  json_t **results) PS_MUST_USE;

/* How well an SAE reconstructs rows: of a cache, or of a model into which it is spliced. result:
 * the members of ps_evaluation (sae/evaluate.h); with a model also ce_clean, ce_sae, ce_zero,
 * ce_recovered, kl, predicted. */
typedef struct ps_eval_args {
	const char *sae;
	const char *cache; /* NULL: a model is given */
	int64_t last;      /* only so many rows at the cache's end; 0: all */
	bool allow_fewer;  /* there may be fewer than `last` or `windows` */
	const char *model, *tokens, *mask;
	const char *changed_from; /* as for cache */
	int64_t layer, windows;   /* windows: the first ones of tokens; 0: all */
	bool keep_special;        /* BOS, EOS and PAD count too */
	bool dry_run;             /* with a model only */
	const char *norm_cache;   /* rows that tell a norm the SAE lacks (norm_factor.h); or NULL */
} ps_eval_args;
int ps_run_eval(ps_session *session, const ps_eval_args *args, json_t **result) PS_MUST_USE;

/* How a model's loss changes when one latent of an SAE is taken out (analysis/ablation.h). result:
 * latents (N), mean_effect (nats a token), latent [N], effect [N], rate [N], rates_from (cache or
 * windows), windows, window_tokens, window_change [N][windows] (sums over the tokens of a window),
 * window_firings [N][windows] (rows on which the latent fires), sae_digest, and mask_digest of the
 * model's mask, as ps_splice_mask has it. With direct there is spliced: true. */
typedef struct ps_ablate_args {
	const char *model, *sae, *tokens, *mask;
	const char *changed_from; /* as for cache */
	int64_t layer;
	int64_t features; /* N: latents to ablate; fewer when fewer fire; 0: 100, at most all */
	int64_t windows;  /* the first ones of tokens */
	bool allow_fewer; /* there may be fewer */
	uint64_t seed;    /* of the choice of latents */
	bool dry_run;
	const char *norm_cache; /* as for eval */
	/* Activations of the SAE's model: latents are drawn from quintiles of their firing there,
	 * and rate is that there; NULL: the windows'. */
	const char *cache;
	/* File: the result of a call without it, of the same SAE, model and windows. Its latents
	 * are ablated again, in the SAE's reconstruction instead of the residual stream. NULL:
	 * none. */
	const char *direct;
} ps_ablate_args;
int ps_run_ablate(ps_session *session, const ps_ablate_args *args, json_t **result) PS_MUST_USE;

/* Survival of A's latents in B (analysis/compare.h). result: the members of ps_comparison, tau, and
 * same_start: whether both were trained from one seed, null where that is not known. Then the user
 * is told, because such SAEs agree more than their activations do. */
typedef struct ps_compare_args {
	const char *a, *b;
	double tau;      /* least cosine of a survivor, above -1 and at most 1 */
	uint64_t seed;   /* of the random rows behind mmcs_null */
	const char *out; /* file for the whole matching (matching_file.h); NULL: none */
	bool replace;
} ps_compare_args;
int ps_run_compare(ps_session *session, const ps_compare_args *args, json_t **result) PS_MUST_USE;

/* Between the formats of other tools and ours. Which arguments a format takes is in the header of
 * the module that writes it: convert_sae.h, convert_mask.h. result: format (to), from,
 * already_done, and what the module adds. */
typedef struct ps_convert_args {
	const char *in, *out;
	const char *to;         /* "saelens", "mask", ...: cmd_convert.c lists them */
	const char *norm_cache; /* of an SAE, as for eval */
	const char *model;      /* of a mask; NULL: not said */
	const char *bits;       /* "lsb" or "msb": a mask in packed bits; NULL: not said */
	bool from_zeros;        /* in is a checkpoint whose zeros are the mask */
	bool replace;
} ps_convert_args;
int ps_run_convert(ps_session *session, const ps_convert_args *args, json_t **result) PS_MUST_USE;

/* How well the dense model's SAE works on the pruned model's activations (analysis/transfer.h).
 * result: rows, windows, jaccard_empty_rows, jaccard_chance; for each m of jaccard, cosine,
 * fvu_dense, fvu, fvu_change, l0_dense, l0, l0_change: m (a number or null) and m_interval
 * (result.h). fvu and l0 are the pruned model's. */
typedef struct ps_transfer_args {
	const char *sae;            /* of the dense model; it stays as it is */
	const char *dense, *pruned; /* activation caches of the same tokens */
	int64_t samples;            /* of the bootstrap */
	uint64_t seed;              /* of the bootstrap */
	bool keep_special;          /* BOS, EOS and PAD count too */
	const char *out;        /* file for each latent's counts (transfer_latents.h); NULL: none */
	const char *norm_cache; /* as for eval */
	bool replace;
} ps_transfer_args;
int ps_run_transfer(ps_session *session, const ps_transfer_args *args, json_t **result) PS_MUST_USE;

/* What becomes of each latent of the dense model's SAE (analysis/feature_stats.h), to a table
 * (feature_file.h). result: latents, rows, active (latents that fire on the dense model's rows),
 * kept, shifted, blurred, lost, undefined (how many of these), survived = (kept + shifted) /
 * active. Without caches the table holds promoted tokens alone; result: latents. */
typedef struct ps_features_args {
	const char *sae;             /* of the dense model; it stays as it is */
	const char *dense, *pruned;  /* activation caches of the same tokens; NULL: both */
	const char *pruned_sae;      /* where its latents are looked for again; NULL: nowhere */
	const char *ablation;        /* file: ablate's result of sae, in the dense model; or NULL */
	const char *pruned_ablation; /* the same in the pruned model; or NULL */
	/* Whose output head says which tokens each decoder row promotes; NULL: that is left out. */
	const char *head;
	/* A table of features of the same SAE and model that has these tokens (head_tokens.h): they
	 * are not looked for again. NULL: none. */
	const char *promoted;
	ps_text_list taus;      /* least cosines of survivors; empty: ps_taus */
	bool keep_special;      /* BOS, EOS and PAD count too */
	const char *norm_cache; /* as for eval */
	const char *out;
	const char *csv; /* the same table as CSV, without contexts and histograms; or NULL */
	/* File for the cards of chosen latents (feature_cards.h); NULL: none. Texts of tokens come
	 * from the tokenizer of `head`, which is then needed. */
	const char *cards;
	bool replace;
} ps_features_args;
int ps_run_features(ps_session *session, const ps_features_args *args, json_t **result) PS_MUST_USE;

/* What a study says of single latents. result: model, condition; taus, classes, groups and rules as
 * in the file of cards (feature_cards.h); latents: the cards of the latents that are asked for, or
 * all cards of the file; asked: whether any were asked for.
 * With a dashboard the cards go there. result: model, condition, side, dashboard (as given),
 * latents (their indices). */
typedef struct ps_feature_cards_args {
	const char *study;     /* its folder */
	const char *model;     /* its name in the study */
	const char *condition; /* as steps are named; NULL: the model's first */
	ps_int_list latents;   /* empty: those of the file of cards */
	/* Whose tokenizer gives the texts of a latent that is in no group; NULL: ids are shown. */
	const char *head;
	const char *dashboard; /* file for SAEDashboard's viewers (dashboard.h); NULL: none */
	ps_model_side side;    /* whose rows the dashboard shows */
	bool replace;
} ps_feature_cards_args;
int ps_run_feature_cards(ps_session *session, const ps_feature_cards_args *args,
			 json_t **result) PS_MUST_USE;

/* How far SAEs of the same activations agree (analysis/seeds.h). result: pairs [{a, b, survival,
 * hungarian_cosine, pw_mcc, shared_fraction, mmcs, mmcs_null}], survival [{mean, low, high, sd,
 * least, largest, n (seeds), why (there is no interval)}], pw_mcc (the same). Both lists called
 * survival have an entry for each of ps_taus. */
typedef struct ps_seeds_args {
	ps_text_list saes;  /* two or more */
	ps_int_list labels; /* names of the SAEs as a pair's a and b; empty: 0, 1, ... */
	int64_t samples;    /* of the bootstrap */
	uint64_t seed;      /* of the bootstrap, and of the random rows behind mmcs_null */
} ps_seeds_args;
int ps_run_seeds(ps_session *session, const ps_seeds_args *args, json_t **result) PS_MUST_USE;

/* Which latents of a dense SAE are found again in the SAEs of pruned models (analysis/seeds.h),
 * whether they are the frequent ones (fragility.h), and whether the model needs them (ablation.h).
 * A condition is one pruned model. The pruned SAE of each seed stands beside the dense one of its
 * seed. results [count], one for each condition:
 *   survival   {taus, mean, sd, by_seed (at tau .7), alive, other_seed}
 *   own_start  {saes, survival, cosine_deciles}: each pruned SAE against the values that its own
 *              training started from (analysis/own_start.h), means over the SAEs; null where these
 *              are not known
 *   fragility  the members of ps_fragility, over the seeds; by_seed: the main ones of each
 *   predictors [{name, auc, by_seed}]: which statistics of a latent in the dense model predict its
 *              survival: firing_rate, mean_activation (where it fires), peak_activation,
 *              decoder_norm, own_start_cosine, and with an ablation ablation_effect
 *   ablation   the members of ps_ablation, over the seeds that have one; by_seed likewise; null
 *              where no ablation is given
 * tools/cmd/survival_findings.h says what "over the seeds" is. What the conditions share, the dense
 * SAEs and where their latents fire, is computed once. */
typedef struct ps_survival_args {
	ps_text_list dense; /* SAEs, one for each seed */
	const char *cache;  /* the dense model's activations, on which the latents fire */
	/* Files: ablate's result, bare or as a record's "result", of the first dense SAEs. */
	ps_text_list ablations;
	/* SAEs: the dense ones, trained again on their own rows; none, or one for each pruned. */
	ps_text_list controls;
	const char *norm_cache;     /* as for eval, of the dense SAEs */
	int64_t samples;            /* of the bootstrap */
	uint64_t seed;              /* of the bootstrap */
	size_t count;               /* conditions */
	const ps_text_list *pruned; /* [count]: SAEs in the order of dense's, no more of them */
} ps_survival_args;
int ps_run_survival(ps_session *session, const ps_survival_args *args,
		    json_t **results) PS_MUST_USE;

/* What this machine has and lacks. result: ok, checks [{name, state (ok, slower, missing), found,
 * costs}], missing and slower (how many), kernels, version, threads, memory_bytes (the budget),
 * free_bytes, read_bytes_per_s, write_bytes_per_s (null: nothing can be written). PS_EFAILED, with
 * the result, where something is missing; what makes work slower alone is no failure. */
typedef struct ps_doctor_args {
	const char *folder; /* of outputs; NULL: the one in which the program was started */
} ps_doctor_args;
int ps_run_doctor(ps_session *session, const ps_doctor_args *args, json_t **result) PS_MUST_USE;

/* Tables, figures and report.html of a study, from its results.json. result: report (the path),
 * figures, tables (how many). */
typedef struct ps_report_args {
	const char *folder; /* of the study */
	bool replace;       /* a page that prunescope did not write gives way */
} ps_report_args;
int ps_run_report(ps_session *session, const ps_report_args *args, json_t **result) PS_MUST_USE;

#endif
