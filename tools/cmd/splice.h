/* tools/cmd/splice.h: an SAE at a layer of a model. `eval` and `ablate` share it.
 *
 * Both run windows up to the SAE's layer, change the residual stream there, and run the changed
 * stream through the layers behind to the loss:
 *
 * 	ps_splice_open    model, mask, tokens and the SAE's shape fit together
 * 	ps_splice_load    the memory fits the budget; the SAE's weights are read
 * 	ps_engine_start   the command's ps_engine_need
 * 	ps_splice_reach   hidden states after the SAE's layer
 * 	ps_splice_finish  the layers behind it; rows whose next token is known, one behind the other
 *
 * A window of n tokens predicts n - 1 of them. */
#ifndef PS_TOOLS_CMD_SPLICE_H
#define PS_TOOLS_CMD_SPLICE_H

#include "tools/engine/engine.h"
#include "tools/train/sae_folder.h"

typedef struct ps_splice_inputs {
	const char *sae, *model, *tokens;
	const char *mask;         /* NULL: dense */
	const char *changed_from; /* the model that this one was changed from; NULL: none */
	int64_t layer, windows;   /* windows 0: all */
	bool allow_fewer;         /* there may be fewer than `windows` */
	const char *norm_cache;   /* as in ps_norm_factor_load, with keep_special */
	bool keep_special;
} ps_splice_inputs;

typedef struct ps_splice {
	const ps_splice_inputs *inputs;
	ps_engine engine;
	char changed_from[PS_DIGEST_TEXT]; /* digest; empty: none */
	ps_token_file tokens;
	int layer;
	size_t window, windows; /* tokens of a window; windows taken, the first of the file */
	ps_sae shape;           /* the SAE without its weights */
	size_t sae_bytes;       /* that its weights will take */
	ps_sae_folder folder;   /* loaded by ps_splice_load */
} ps_splice;

/* Opens all but the SAE's weights. PS_EUSAGE: the model has no such layer. PS_EINPUT: SAE and model
 * differ in width, a token is beyond the vocabulary, windows of one token predict nothing, or
 * there are fewer windows than asked for.
 * inputs is borrowed until the close. */
int ps_splice_open(ps_splice *splice, ps_session *session,
		   const ps_splice_inputs *inputs) PS_MUST_USE;
/* Checks the budget (PS_EBUDGET), then reads the SAE. */
int ps_splice_load(ps_splice *splice, const ps_engine_need *need) PS_MUST_USE;
/* The digest of the mask that the model is pruned with, or of a model that was changed otherwise;
 * PS_NO_MASK; "": a mask on top of either. It is in out, or belongs to the splice. */
const char *ps_splice_mask(const ps_splice *splice, char out[PS_DIGEST_TEXT]);
void ps_splice_close(ps_splice *splice); /* one whose open failed is allowed */

/* hidden (rows of the windows, D): the residual stream after the SAE's layer. */
int ps_splice_reach(ps_splice *splice, const ps_windows *windows, float *hidden) PS_MUST_USE;
/* From there on in place, to the last layer. Each window then loses its last row, which predicts
 * nothing known, and the rows that are left move to the front. */
int ps_splice_finish(ps_splice *splice, const ps_windows *windows, float *hidden) PS_MUST_USE;
/* The ids that a window predicts (window - 1). */
void ps_splice_targets(const ps_splice *splice, size_t window, int32_t *targets);

/* Whether a window's token is BOS, EOS or PAD. */
bool ps_splice_is_special(const ps_splice *splice, size_t window, size_t row);

/* Multiply-adds (tools/engine/meter.h) of so many windows up to the SAE's layer, and from there to
 * the losses. */
double ps_splice_reach_work(const ps_splice *splice, double windows);
double ps_splice_finish_work(const ps_splice *splice, double windows);
double ps_splice_head_work(const ps_splice *splice, double windows);

/* PS_EFAILED naming window and position unless the losses of `count` windows from window `first` on
 * are finite. nll (count, window - 1); what: whose losses they are, for the message. */
int ps_splice_check_losses(const ps_splice *splice, const double *nll, size_t first, size_t count,
			   const char *what) PS_MUST_USE;

#endif
