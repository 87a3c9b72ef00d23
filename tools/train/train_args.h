/* tools/train/train_args.h: the arguments of `train`, the training options that they stand for, and
 * what the provenance says of these. Words (an architecture, a recipe) stay as the user wrote them
 * until ps_train_options_make. */
#ifndef PS_TOOLS_TRAIN_TRAIN_ARGS_H
#define PS_TOOLS_TRAIN_TRAIN_ARGS_H

#include "core/base/json.h"
#include "sae/train.h"
#include "tools/run/lists.h"

enum { PS_TRAIN_BATCH = 4096 }; /* rows of a batch where none are asked for */

typedef struct ps_train_args {
	const char *cache, *arch, *recipe, *order, *out;
	ps_int_list d_sae;     /* latents; empty: expansion * width of the cache */
	ps_int_list expansion; /* empty: 8 */
	ps_int_list k;         /* empty: 64 */
	ps_text_list with;     /* further caches, of the same tokens */
	int64_t tokens;        /* 0: one epoch */
	int64_t batch;         /* rows; 0: PS_TRAIN_BATCH, or all rows where there are fewer */
	int64_t read_ahead;    /* rows; negative: a batch */
	size_t disk;           /* bytes, at most, of rows that are sorted into their order */
	int64_t hold_out;      /* rows at the end that are measured instead of trained on */
	int64_t data_seed;     /* negative: the SAE's own seed */
	ps_int_list seeds;     /* empty: 0. There is an SAE for each width, k and seed */
	bool keep_special;
	bool replace;      /* an SAE of another provenance gives way */
	const char *log;   /* prefix of the log's files; NULL: none */
	double save_every; /* seconds between states saved */
	/* These override the recipe's values. NULL, NaN, a negative count or a rate of 0 keeps the
	 * recipe's value. */
	double lr, warmup, decay, lr_end, beta1, beta2, clip, encoder_scale, sparsity,
		sparsity_warmup, target_l0, bandwidth, auxk, k_anneal;
	const char *schedule, *penalty, *auxk_form, *b_dec;
	const char *freeze; /* decoder or encoder keeps its first directions; NULL: neither */
	int64_t dead_after, resample, k_start;
	ps_int_list matryoshka; /* widths of nested levels */
} ps_train_args;
/* The arguments of a command line that gives none but the cache and the output. */
ps_train_args ps_train_args_default(void);

/* Whether SAEs of both take the same rows in the same order, so that one read of the data serves
 * both. */
bool ps_train_args_share(const ps_train_args *a, const ps_train_args *b);

/* The widths of the SAEs, in latents, into out (PS_LIST_MAX). Returns how many there are (at least
 * 1), or PS_EUSAGE. width: of the cache's rows. */
int ps_train_widths(const ps_train_args *args, size_t width, int64_t *out,
		    ps_diag *diag) PS_MUST_USE;
/* The ks of the SAEs, in the same way. */
int ps_train_ks(const ps_train_args *args, int64_t *out, ps_diag *diag) PS_MUST_USE;

/* The recipe's options with the user's over them, for one width and one k. PS_EUSAGE: a word or a
 * number that cannot be; a batch of more rows than there are, or than are to be trained on. The
 * seeds are the caller's to set. width, rows: of the cache. */
int ps_train_options_make(const ps_train_args *args, size_t width, uint64_t rows, size_t d_sae,
			  size_t k, ps_train_options *options, ps_diag *diag) PS_MUST_USE;

/* All options that determine the bits, as one new object; NULL when memory ran out. */
json_t *ps_train_options_json(const ps_train_options *options);

#endif
