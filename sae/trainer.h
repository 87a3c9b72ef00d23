/* sae/trainer.h: the state of a training run, shared by train.c (state, export), start.c, step.c and the architectures.
 *
 * Parameters live in the space of scaled rows, s x. A step (sae/step.c):
 *   load       x = s batch - b_dec                                    (B, D)
 *   in passes over rows (one pass of all B rows, unless a row may list every latent):
 *     list     the latents that may get a gradient, and their activations          arch.h
 *     backward error, loss, df per row; then sorted by latent                      branch.h
 *     auxk     a second branch for dead latents; nested levels                     auxk.h, matryoshka.h
 *     latents  per latent: dz, gradients of its scalars, its penalty               arch.h
 *     gather   gradients of enc and dec rows (only with passes or clipping: else as part of update)
 *   update     b_dec's gradient, clipping, Adam, unit norm                            update.h
 *   resample   dead latents start anew                                             resample.h */
#ifndef PS_SAE_TRAINER_H
#define PS_SAE_TRAINER_H

#include "sae/adam.h"
#include "sae/auxk.h"
#include "sae/batch_topk.h"
#include "sae/branch.h"
#include "sae/matryoshka.h"
#include "sae/train.h"

enum { PS_EXTRAS_MOST = 2 }; /* parameters of a latent besides its bias */

typedef struct ps_arch ps_arch;

typedef struct ps_moments {
	float *m, *v; /* of the parameter's shape */
} ps_moments;

/* The rows of a step that go through it together. */
typedef struct ps_pass {
	size_t first, rows;   /* of the batch */
	const float *x;       /* (rows, D) */
	double unit;          /* of the loss */
	float scale;          /* of the gradients of |error|^2: 2 unit */
	double sparsity;      /* the penalty's coefficient at this step */
	const ps_branch *aux; /* NULL: none */
} ps_pass;

struct ps_trainer {
	ps_train_options options; /* batch at most tokens */
	const ps_arch *arch;
	const ps_row_source *source;
	const ps_row_list *rows;
	const ps_context *context;
	uint64_t steps;

	/* What a resumed run needs. */
	ps_sae sae; /* apply_b_dec_to_input false: the rows are centred when they are loaded */
	ps_moments enc, dec, b_enc, b_dec;
	float *extra
		[PS_EXTRAS_MOST]; /* (F): jumprelu: threshold; gated: r_mag, b_mag; shared with sae */
	ps_moments extra_moments[PS_EXTRAS_MOST];
	uint64_t *since_fired; /* (F): tokens */
	uint64_t *step;        /* (1): steps done */
	float *scale;          /* (1): s */
	double *threshold;     /* (1): batchtopk's; negative: not set yet */

	/* Scratch of a step. */
	ps_sae lister;      /* what the encoder sees */
	size_t pass_rows;   /* rows of a pass at most */
	uint64_t announced; /* the step whose rows the source reads ahead; UINT64_MAX: none */
	uint64_t *ids;      /* (B) */
	float *batch;       /* (B, D): rows as they come; x itself where nobody else takes them */
	float *x;           /* (B, D) */
	double *row_loss;   /* (B): |error|^2 */
	ps_encoder *encoder;
	ps_branch branch;
	ps_branch gate;            /* gated's auxiliary reconstruction */
	ps_auxk *auxk;             /* NULL: coefficient 0 */
	ps_batch_topk *batch_topk; /* NULL unless batchtopk */
	ps_matryoshka *matryoshka; /* NULL: no nested levels */
	float *lower;              /* (F): least z listed; jumprelu */
	uint32_t *active;          /* (pass_rows): active latents of a row; jumprelu */
	float *norm;               /* (F): |dec_j|; NULL where nobody asks */
	uint8_t *fired, *dead;     /* (F): in this step; before it */
	float *enc_gradient,
		*dec_gradient; /* (F, D) of all passes; NULL: found when a latent is updated */
	float *b_enc_gradient; /* (F) */
	float *extra_gradient[PS_EXTRAS_MOST]; /* (F) */
	float *through_input;                  /* (F): sum over rows of dz */
	float *along; /* (F): factor of dec_j in its own gradient; takes out what is along a unit row */
	double *penalty;         /* (F): the penalty's sum over rows, without its coefficient */
	double *square;          /* (F): |gradients|^2 of a latent, for clipping; then |dec_j|^2 */
	double *error_sum;       /* (D) */
	float *b_dec_gradient;   /* (D) */
	double *column_variance; /* (D): sum over the batch of (x - mean)^2 */
	float *x_strip, *error_strip; /* (B, columns of a strip): sae/update.h's, as is the next */
	float *strip_gradients;       /* (threads, 2, columns of a strip) */
};

/* As ps_trainer_create. with: a trainer whose ids, batch and x are borrowed, which has room for both; NULL: none. */
int ps_trainer_make(ps_trainer **trainer, const ps_train_options *options,
		    const ps_row_source *source, const ps_row_list *rows, const ps_context *context,
		    ps_arena *arena, const ps_trainer *with) PS_MUST_USE;
/* What `with` lends. */
size_t ps_trainer_lent_bytes(size_t d_in, const ps_train_options *options);

/* A step on the rows that stand in t->batch. */
int ps_trainer_take_step(ps_trainer *t, ps_train_step *out) PS_MUST_USE;

/* What a penalty of 1 counts in the loss. */
static inline float ps_penalty_unit(const ps_pass *pass)
{
	return (float)(pass->unit * pass->sparsity);
}

#endif
