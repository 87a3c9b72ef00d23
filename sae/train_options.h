/* sae/train_options.h: what a training run is asked for, and whether it can be done.
 *
 * Named sets of these options are in sae/recipe.h. Schedules are shares of the number of steps
 * (sae/schedule.h). Arithmetic: sae/train.h. */
#ifndef PS_SAE_TRAIN_OPTIONS_H
#define PS_SAE_TRAIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "sae/adam.h"

typedef enum ps_train_arch {
	PS_TRAIN_TOPK,
	PS_TRAIN_BATCHTOPK,
	PS_TRAIN_JUMPRELU,
	PS_TRAIN_RELU,
	PS_TRAIN_GATED
} ps_train_arch;

/* What the squared error is divided by: the batch's elements, its rows, or its variance. */
typedef enum ps_loss_unit {
	PS_LOSS_PER_ELEMENT,
	PS_LOSS_PER_ROW,
	PS_LOSS_OF_VARIANCE
} ps_loss_unit;

/* How AuxK is weighted, and which latents it takes for dead (sae/auxk.h). */
typedef enum ps_auxk_form {
	PS_AUXK_PAPER,
	PS_AUXK_SAELENS,
	PS_AUXK_SPARSIFY,
	PS_AUXK_DICTIONARY
} ps_auxk_form;

/* jumprelu's penalty (sae/jumprelu.h). */
typedef enum ps_l0_penalty { PS_L0_STEP, PS_L0_TANH, PS_L0_TARGET } ps_l0_penalty;

typedef enum ps_decay { PS_DECAY_LINEAR, PS_DECAY_COSINE } ps_decay;
/* What keeps the directions that it starts with: the baselines "frozen decoder" and "frozen
 * encoder" of Korznikov et al., Sanity Checks for Sparse Autoencoders (arXiv 2602.14111). The
 * biases, and thresholds where there are any, are trained. */
typedef enum ps_train_frozen {
	PS_FROZEN_NOTHING,
	PS_FROZEN_DECODER,
	PS_FROZEN_ENCODER
} ps_train_frozen;

typedef enum ps_b_dec_start { PS_B_DEC_ZERO, PS_B_DEC_MEAN, PS_B_DEC_MEDIAN } ps_b_dec_start;

/* The most nested levels, besides the whole SAE. */
#define PS_MATRYOSHKA_MAX 8

typedef struct ps_train_options {
	ps_train_arch arch;
	size_t d_sae;       /* F, latents */
	size_t k;           /* topk: latents of a row; batchtopk: their mean over a batch */
	size_t batch;       /* B, rows of a step */
	uint64_t tokens;    /* rows to train on in all, repetitions included */
	uint64_t init_seed; /* of the first parameters and of resampling */
	uint64_t data_seed; /* of the order of rows and of the sample that scales the input */
	bool sequential;    /* rows come in the source's order, not permuted */
	ps_train_frozen frozen;

	ps_adam_options adam;
	double lr;              /* the highest learning rate */
	double warmup_fraction; /* share of the steps in which the rate rises from 0 to lr */
	ps_decay decay;
	double decay_fraction; /* share of the steps, at the end, in which it falls; 0: none */
	double lr_end;         /* the rate at the end, as a share of lr */
	double clip;           /* largest norm of the gradient; 0: any */
	ps_loss_unit unit;

	ps_b_dec_start b_dec;
	double decoder_norm;  /* norm of a decoder row at the start */
	double encoder_scale; /* at the start, encoder = encoder_scale * decoder */
	bool unit_decoder;    /* decoder rows keep norm 1: the gradient along a row is removed */
	bool rescale;         /* topk, batchtopk: latents are chosen by z |dec_j| */
	size_t k_start;       /* topk, batchtopk: k falls linearly from here to k; 0: it is fixed */
	double k_fraction;    /* share of the steps in which it falls */

	double sparsity;        /* coefficient of relu's and gated's L1 and jumprelu's L0 penalty */
	double sparsity_warmup; /* share of the steps in which the coefficient rises from 0 */
	ps_l0_penalty l0_penalty;
	double target_l0, tanh_scale; /* of jumprelu's penalties */
	double bandwidth;             /* jumprelu: of the straight-through estimators */
	double threshold_start;       /* jumprelu: every threshold at the start */
	bool ste_to_input;     /* jumprelu: the straight-through term reaches the encoder too */
	bool gate_alone;       /* gated: the auxiliary reconstruction does not train the decoder */
	double threshold_rate; /* batchtopk: weight of a step in the threshold's running mean */
	bool threshold_from_zero; /* batchtopk: that mean starts at 0, not at the first value */
	size_t matryoshka_levels; /* batchtopk: nested levels; 0: none (sae/matryoshka.h) */
	size_t matryoshka_width[PS_MATRYOSHKA_MAX]; /* latents of a level: ascending, below d_sae */

	double auxk_coefficient; /* topk, batchtopk: of the auxiliary loss; 0: none */
	ps_auxk_form auxk_form;
	uint64_t dead_after_tokens; /* a latent that is silent for so many is dead; 0: never */
	uint64_t resample_tokens;   /* dead latents start anew this often; 0: never */
} ps_train_options;

/* Rows of a batch as it is trained with: options->batch, or fewer where there are fewer tokens. */
size_t ps_train_batch_rows(const ps_train_options *options);
/* Steps of the run: the whole batches in tokens. Tokens that are left over are not used. */
uint64_t ps_trainer_steps(const ps_train_options *options);
/* PS_EUSAGE, saying why, when the options do not fit each other or the width d_in. */
int ps_train_options_check(const ps_train_options *options, size_t d_in, ps_diag *diag) PS_MUST_USE;

#endif
