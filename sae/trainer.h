/* sae/trainer.h: the state of one training run, and the memory that it takes.
 *
 * Only sae/ includes this; callers of training see sae/train.h. Parameters live in the space of
 * scaled rows, s x. A step (sae/step.c):
 *   load       x = s raw - b_dec                                        (B, D)
 *   in passes over the rows; one pass of all B rows, unless a row may list every latent:
 *     list     the latents that may get a gradient, and their activations    arch.h
 *     backward error, loss and df of each row, then sorted by latent         branch.h
 *     auxk     a second branch for dead latents; nested levels               auxk.h, matryoshka.h
 *     latents  per latent: dz, gradients of its scalars, its penalty         arch.h
 *     gather   gradients of enc and dec rows; left to `update` unless `gathers`
 *   update     b_dec's gradient, clipping, Adam, unit norm                   update.h
 *   resample   dead latents start anew                                       resample.h */
#ifndef PS_SAE_TRAINER_H
#define PS_SAE_TRAINER_H

#include "sae/auxk.h"
#include "sae/batch.h"
#include "sae/batch_topk.h"
#include "sae/branch.h"
#include "sae/matryoshka.h"
#include "sae/train.h"

typedef struct ps_arch ps_arch;

/* Adam's moments of a parameter, each of the parameter's shape. */
typedef struct ps_moments {
	float *m, *v;
} ps_moments;

/* The rows of a step that go through it together. */
typedef struct ps_pass {
	size_t first, rows;   /* of the batch */
	const float *x;       /* (rows, D) */
	double unit;          /* of the loss */
	float scale;          /* of the gradients of |error|^2: 2 unit */
	double sparsity;      /* the penalty's coefficient at this step */
	const ps_branch *aux; /* the dead latents' branch; NULL: none */
} ps_pass;

struct ps_trainer {
	ps_train_options options; /* its batch is at most its tokens */
	const ps_arch *arch;
	const ps_context *context;
	ps_feed *feed; /* shared by the trainers that take the same batches */
	uint64_t steps;
	size_t pass_rows; /* the most rows of a pass */
	bool gathers;     /* gradients of enc and dec are gathered before anything is updated */

	/* What a resumed run needs. */
	ps_sae sae; /* apply_b_dec_to_input is false: rows are centred when they are loaded */
	ps_moments enc, dec, b_enc, b_dec;
	float *extra[PS_EXTRAS_MAX]; /* (F), sae's own: jumprelu: threshold; gated: r_mag, b_mag */
	ps_moments extra_moments[PS_EXTRAS_MAX];
	uint64_t *since_fired; /* (F): tokens since the latent fired last */
	uint64_t *step;        /* (1): steps done */
	float *scale;          /* (1): s */
	double *threshold;     /* (1): batchtopk's running mean; negative: not set yet */

	/* Scratch of a step. */
	ps_sae lister; /* what the encoder sees: sae's parameters, a selection of its own */
	ps_encoder *encoder;
	ps_branch branch;                     /* the main reconstruction */
	ps_branch gate;                       /* gated's auxiliary reconstruction */
	ps_auxk *auxk;                        /* NULL: coefficient 0 */
	ps_batch_topk *batch_topk;            /* NULL unless batchtopk */
	ps_matryoshka *matryoshka;            /* NULL: no nested levels */
	double *row_loss;                     /* (B): |error|^2 */
	uint32_t *active;                     /* (pass_rows): active latents of a row; jumprelu */
	float *lower;                         /* (F): z above which a latent is listed; jumprelu */
	float *norm;                          /* (F): |dec_j|, where arch or rescale needs it */
	uint8_t *fired;                       /* (F): in this step */
	uint8_t *dead;                        /* (F): before this step */
	float *enc_gradient, *dec_gradient;   /* (F, D), of all passes; NULL unless `gathers` */
	float *b_enc_gradient;                /* (F) */
	float *extra_gradient[PS_EXTRAS_MAX]; /* (F) */
	float *through_input;    /* (F): sum over rows of dz, b_dec's way through the encoder */
	float *along;            /* (F): factor of dec_j in its own gradient (sae/update.h) */
	double *penalty;         /* (F): the penalty's sum over rows, without its coefficient */
	double *square;          /* (F): |gradients|^2 of a latent, for clipping; then |dec_j|^2 */
	double *error_sum;       /* (D): sum over the batch of the errors */
	float *b_dec_gradient;   /* (D) */
	double *column_variance; /* (D): sum over the batch of (x - mean)^2 */
	float *x_strip, *error_strip; /* (B, columns of a strip); NULL where `gathers` */
	float *strip_gradients;       /* (threads, 2, columns of a strip); NULL where `gathers` */
};

/* Whether the sizes of a trainer's buffers can be computed without overflow. */
bool ps_trainer_fits(size_t d_in, const ps_train_options *options);
/* Lists the buffers of a trainer, for options that fit. NULL while counting. The caller sets feed,
 * then ps_start_values the state. */
ps_trainer *ps_trainer_lay_out(ps_sae_layout *layout, const ps_train_options *options, size_t d_in);

/* What a penalty of 1 counts in the loss. */
static inline float ps_penalty_unit(const ps_pass *pass)
{
	return (float)(pass->unit * pass->sparsity);
}

#endif
