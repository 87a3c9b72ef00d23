/* sae/trainer.h: the state of a training run, shared by train.c (start, state, export) and step.c (one step).
 *
 * Parameters live in the space of scaled rows, s x. A step reads the batch once:
 *   load       x = s rows - b_dec                                  (B, D)
 *   encode     codes = topk(W_enc x + b_enc), block by block
 *   backward   error, loss, df per row; then both sorted by latent
 *   biases     gradients of b_enc and b_dec
 *   latents    per latent: gradients of its enc and dec rows, projection, Adam, unit norm
 * AuxK (sae/auxk.h) is a second branch between backward and biases. */
#ifndef PS_SAE_TRAINER_H
#define PS_SAE_TRAINER_H

#include "sae/adam.h"
#include "sae/auxk.h"
#include "sae/branch.h"
#include "sae/train.h"

typedef struct ps_moments {
	float *m, *v; /* of the parameter's shape */
} ps_moments;

struct ps_trainer {
	ps_train_options options; /* batch at most tokens; lr filled in */
	const ps_row_source *source;
	const ps_row_list *rows;
	const ps_context *context;
	uint64_t steps;

	/* What a resumed run needs. */
	ps_sae sae; /* apply_b_dec_to_input false: the rows are centred when they are loaded */
	ps_moments enc, dec, b_enc, b_dec;
	uint64_t *since_fired; /* (F): tokens */
	uint64_t *step;        /* (1): steps done */
	float *scale;          /* (1): s */

	/* Scratch of a step. */
	uint64_t *ids;            /* (B) */
	float *x;                 /* (B, D) */
	ps_encoder *encoder;
	ps_branch branch;
	ps_auxk *auxk;            /* NULL: coefficient 0 */
	float *b_enc_gradient;    /* (F) */
	float *b_dec_gradient;    /* (D) */
	double *column_variance;  /* (D): sum over the batch of (x - mean)^2 */
	float *latent_gradients;  /* (threads, 2, D) */
};

#endif
