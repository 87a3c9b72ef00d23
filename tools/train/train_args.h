/* tools/train/train_args.h: from the arguments of `train` to training options, and from these to provenance. */
#ifndef PS_TOOLS_TRAIN_TRAIN_ARGS_H
#define PS_TOOLS_TRAIN_TRAIN_ARGS_H

#include <jansson.h>

#include "sae/train.h"
#include "tools/run/lists.h"

typedef struct ps_train_args {
	const char *cache, *arch, *recipe, *order, *out;
	ps_int_list d_sae, expansion,
		k;             /* d_sae empty: expansion * width; expansion empty: 8; k empty: 64 */
	ps_text_list with;     /* further caches, of the same tokens */
	int64_t tokens, batch; /* tokens 0: one epoch */
	int64_t read_ahead;    /* rows; negative: a batch */
	int64_t hold_out;      /* rows at the end that are not trained on but measured */
	int64_t data_seed;     /* negative: the SAE's own seed */
	ps_int_list seeds;     /* empty: 0; an SAE for each of width, k and seed */
	bool keep_special;
	bool replace;      /* an SAE of another provenance */
	const char *log;   /* prefix of the log's files; NULL: none */
	double save_every; /* seconds between states saved */
	/* over the recipe's: NULL, NaN, a negative count or a rate of 0 leave it as it is */
	double lr, warmup, decay, lr_end, beta1, beta2, clip, encoder_scale, sparsity,
		sparsity_warmup, target_l0, bandwidth, auxk, k_anneal;
	const char *schedule, *penalty, *auxk_form, *b_dec;
	int64_t dead_after, resample, k_start;
	ps_int_list matryoshka; /* widths of nested levels */
} ps_train_args;
/* What holds where the user says nothing. */
ps_train_args ps_train_args_default(void);

/* The widths asked for, of latents: in out (count returned, 1 to PS_LIST_MAX), or PS_EUSAGE. And the ks. */
int ps_train_widths(const ps_train_args *args, size_t width, int64_t *out,
		    ps_diag *diag) PS_MUST_USE;
int ps_train_ks(const ps_train_args *args, int64_t *out, ps_diag *diag) PS_MUST_USE;

/* The recipe's options with those of the command line over them; seeds are left to the caller. width, rows: of the cache. */
int ps_train_options_make(const ps_train_args *args, size_t width, uint64_t rows, size_t d_sae,
			  size_t k, ps_train_options *options, ps_diag *diag) PS_MUST_USE;

/* Everything that determines the bits, as one object. */
json_t *ps_train_options_json(const ps_train_options *options);

#endif
