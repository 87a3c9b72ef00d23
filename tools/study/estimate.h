/* tools/study/estimate.h: the seconds and the memory of a step of a study.
 *
 * The functions take measured rates (tools/study/rates.h, sae_rates.h) and plain numbers. They read
 * no file. A step's windows are as long as those of the rates (rates->costs.window). Seconds
 * include the time to open the model and, if it was measured, the time to write. */
#ifndef PS_TOOLS_STUDY_ESTIMATE_H
#define PS_TOOLS_STUDY_ESTIMATE_H

#include "tools/study/rates.h"
#include "tools/study/sae_rates.h"

/* --- the work of a step --- */

/* Masks by Wanda, made in one go. */
typedef struct ps_wanda_work {
	size_t windows;  /* of calibration */
	size_t masks;    /* sparsities */
	bool sequential; /* a layer's statistics come from the pruned layers below it */
} ps_wanda_work;

/* Perplexities taken in one pass. */
typedef struct ps_ppl_work {
	size_t variants; /* the dense model and masks */
	double tokens;   /* that are scored: all of the text, or max_tokens of it */
	size_t window, stride;
	double text_bytes; /* length of the text, for the memory of its tokenizer */
} ps_ppl_work;

/* Activation caches made in one pass. */
typedef struct ps_cache_work {
	size_t windows;
	int layer;       /* the last that is computed */
	size_t variants; /* caches: of the dense model and of masks */
} ps_cache_work;

/* The loss with an SAE's reconstruction spliced in. */
typedef struct ps_splice_work {
	size_t windows;
	int layer; /* the SAE's */
} ps_splice_work;

/* The loss without one latent, for each of some latents. */
typedef struct ps_ablate_work {
	size_t latents, windows;
	int layer;    /* the SAE's */
	double rows;  /* of the cache that tells how often latents fire */
	double share; /* of the windows in which a latent fires; the others cost nothing */
} ps_ablate_work;

/* Survival of a dense SAE's latents in the SAEs of pruned models. */
typedef struct ps_survival_work {
	size_t dense, pruned; /* SAEs of the dense model; of each pruned one */
	size_t conditions;    /* pruned models in one call */
	double rows, windows; /* of the dense cache */
	double samples;       /* of the bootstrap */
} ps_survival_work;

/* What becomes of a dense SAE's latents in one changed model. */
typedef struct ps_features_work {
	double rows;         /* of each of the two caches; 0: promoted tokens alone are found */
	size_t ablated;      /* latents in the ablation's record; 0: there is none */
	uint64_t disk_bytes; /* of the table, the CSV and the cards */
} ps_features_work;

/* --- seconds --- */

/* bytes: length of the texts up to the last token that is used. 0: not known; the rates' average
 * bytes of a token are used instead. */
double ps_seconds_tokenize(const ps_model_rates *rates, double bytes, double tokens);
/* Tokens in a text of so many bytes. 0 if tokenizing was not timed. */
double ps_tokens_of_text(const ps_model_rates *rates, double bytes);
/* masks: made in one go. */
double ps_seconds_magnitude(const ps_model_rates *rates, size_t masks);
double ps_seconds_sparsity(const ps_model_rates *rates);
double ps_seconds_wanda(const ps_model_rates *rates, const ps_wanda_work *work);
double ps_seconds_ppl(const ps_model_rates *rates, const ps_ppl_work *work);
double ps_seconds_cache(const ps_model_rates *rates, const ps_cache_work *work);
/* One SAE. rows: of the cache; tokens: rows to train on, all epochs together. writing: where the
 * training's state is saved; NULL: not counted. The loss that revives dead latents is not counted,
 * because nobody knows how many will be dead; it added 15 to 40 % on a real model. */
double ps_seconds_train(const ps_sae_rates *sae, const ps_probe_writing *writing, double rows,
			double tokens);
/* rows: of one cache; windows: that they come from; samples: of the bootstrap. */
double ps_seconds_transfer(const ps_sae_rates *sae, double rows, double windows, double samples);
/* The promoted tokens cost as much as the head for as many rows as there are latents. */
double ps_seconds_features(const ps_model_rates *rates, const ps_sae_rates *sae,
			   const ps_features_work *work);
double ps_seconds_splice(const ps_model_rates *rates, const ps_sae_rates *sae,
			 const ps_splice_work *work);
double ps_seconds_ablate(const ps_model_rates *rates, const ps_sae_rates *sae,
			 const ps_ablate_work *work);
/* The likely value of ps_ablate_work.share: latents are those that fire in a cache of so many
 * windows of so many tokens. Where one does not fire in a window of the ablation, nothing is
 * computed. It assumes that the firing rates of latents spread around
 * their mean, k / d_sae, as they did in SAEs of four models. */
double ps_firing_share(const ps_sae_rates *sae, size_t window, size_t windows);
/* Comparing so many SAEs, every pair of them. */
double ps_seconds_seeds(const ps_sae_rates *sae, size_t saes);
double ps_seconds_survival(const ps_sae_rates *sae, const ps_survival_work *work);
/* results.json, tables, figures and report. The one estimate that is not measured. */
double ps_seconds_report(size_t conditions);

/* The shape of an SAE that the study trains, as it is saved. */
ps_sae ps_saved_shape(const ps_sae_rates *sae);

/* --- memory --- */

/* Bytes that the step's command plans. Where no pass can be made smaller, all three are equal. They
 * are a little more than the command's own plan, never less: a study names the least budget with
 * which all of its steps run. */
typedef struct ps_memory {
	size_t least;   /* it does not run with less */
	size_t wanted;  /* more makes it no faster */
	size_t planned; /* within the session's budget */
} ps_memory;

/* document_bytes: length of the longest document, which is tokenized as a whole. */
ps_memory ps_memory_tokenize(const ps_model_rates *rates, size_t windows, double document_bytes);
ps_memory ps_memory_magnitude(const ps_model_rates *rates);
ps_memory ps_memory_sparsity(void);
/* A mask that is matched to a perplexity. mask_bytes: its bitmaps, which are held in memory. No
 * less than the command needs. */
ps_memory ps_memory_matched(const ps_model_rates *rates, const ps_ppl_work *work,
			    uint64_t mask_bytes);
ps_memory ps_memory_wanda(const ps_model_rates *rates, const ps_wanda_work *work);
/* tokens of the work: no fewer than the text has. */
ps_memory ps_memory_ppl(const ps_model_rates *rates, const ps_ppl_work *work);
ps_memory ps_memory_cache(const ps_model_rates *rates, const ps_cache_work *work);
ps_memory ps_memory_splice(const ps_model_rates *rates, const ps_sae_rates *sae,
			   const ps_splice_work *work);
ps_memory ps_memory_ablate(const ps_model_rates *rates, const ps_sae_rates *sae,
			   const ps_ablate_work *work);
/* One SAE on a cache of so many rows. */
ps_memory ps_memory_train(const ps_session *session, const ps_sae_rates *sae, double rows);
/* shape: of the SAE, without weights. */
ps_memory ps_memory_transfer(const ps_session *session, ps_sae shape, double rows, double windows,
			     double samples);
/* The table of features, its CSV and its cards. */
uint64_t ps_disk_features(size_t latents, bool ablated);
/* The table of promoted tokens. */
uint64_t ps_disk_promoted(size_t latents);
ps_memory ps_memory_features(const ps_session *session, const ps_model_rates *rates,
			     const ps_sae_rates *sae, const ps_features_work *work);
ps_memory ps_memory_seeds(const ps_session *session, const ps_sae_rates *sae, size_t saes,
			  double samples);
/* ablated: what the ablation's record holds; no latents: there is none. */
ps_memory ps_memory_survival(const ps_session *session, const ps_sae_rates *sae,
			     const ps_survival_work *work, const ps_ablate_work *ablated);
/* results.json, tables, figures and report. latents: of the SAEs whose cards it shows; 0: none. */
ps_memory ps_memory_report(size_t conditions, size_t latents);

#endif
