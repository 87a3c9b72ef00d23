/* sae/train.h: SAE training with Adam from a row source; exact to resume.
 *
 *   loss = unit * (sum over the batch of |s x - x_hat|^2 + penalties + auxiliary losses)
 *   unit: 1 / (B D), 1 / B or 1 / sum |x - mean x|^2; s: input scale so that the mean norm is sqrt(D), folded into
 *   the weights when saved: the file's SAE takes raw x. Penalties are relative to |s x - x_hat|^2, as SAELens' are.
 * Architectures (penalties: sae/arch.h): topk (Gao et al., arXiv 2406.04093), batchtopk (Bussmann et al., 2412.06410),
 *   jumprelu (Rajamanoharan et al., 2407.14435), relu (L1 weighted by decoder norms), gated (2404.16014).
 * Named sets of these options: sae/recipe.h. Schedules are fractions of the number of steps (sae/schedule.h).
 * Start: decoder rows random directions (seeded), encoder a multiple of them, b_dec = mean or geometric median of s x.
 * Adam on all parameters, touched or not, as dense Adam does.
 * Batches: epoch e's order is a seeded permutation of the kept rows, or theirs; more tokens than rows: further epochs.
 * Several SAEs from one read of the data: sae/trainers.h.
 * Same bits for any threads; state saved and restored exactly by ps_trainer_state_*. */
#ifndef PS_SAE_TRAIN_H
#define PS_SAE_TRAIN_H

#include "core/base/dtype.h"
#include "core/base/rows.h"
#include "sae/adam.h"
#include "sae/sae.h"

typedef enum ps_train_arch {
	PS_TRAIN_TOPK,
	PS_TRAIN_BATCHTOPK,
	PS_TRAIN_JUMPRELU,
	PS_TRAIN_RELU,
	PS_TRAIN_GATED
} ps_train_arch;

/* How the loss is counted: per element and per row as their mean; or as a share of the batch's variance. */
typedef enum ps_loss_unit {
	PS_LOSS_PER_ELEMENT,
	PS_LOSS_PER_ROW,
	PS_LOSS_OF_VARIANCE
} ps_loss_unit;

/* AuxK's weight beside the coefficient, and which latents are dead (sae/auxk.h). */
typedef enum ps_auxk_form {
	PS_AUXK_PAPER,
	PS_AUXK_SAELENS,
	PS_AUXK_SPARSIFY,
	PS_AUXK_DICTIONARY
} ps_auxk_form;

/* jumprelu's penalty (sae/jumprelu.h). */
typedef enum ps_l0_penalty { PS_L0_STEP, PS_L0_TANH, PS_L0_TARGET } ps_l0_penalty;

typedef enum ps_decay { PS_DECAY_LINEAR, PS_DECAY_COSINE } ps_decay;
typedef enum ps_b_dec_start { PS_B_DEC_ZERO, PS_B_DEC_MEAN, PS_B_DEC_MEDIAN } ps_b_dec_start;

/* Nested levels at most, besides the whole. */
#define PS_MATRYOSHKA_MOST 8

typedef struct ps_train_options {
	ps_train_arch arch;
	size_t d_sae, k, batch; /* k: topk; the batch's mean for batchtopk */
	uint64_t tokens;        /* to train on in all */
	uint64_t init_seed, data_seed;
	bool sequential; /* rows in the source's order, not permuted */

	ps_adam_options adam;
	double lr;
	double warmup_fraction; /* of the steps: linear up from 0 */
	ps_decay decay;
	double decay_fraction; /* of the steps, at the end: down to lr_end * lr. 0: none */
	double lr_end;
	double clip; /* largest norm of the gradient; 0: none */
	ps_loss_unit unit;

	ps_b_dec_start b_dec;
	double decoder_norm;  /* of decoder rows at the start */
	double encoder_scale; /* encoder = so many times the decoder at the start */
	bool unit_decoder;    /* rows kept at norm 1, the gradient's parallel part removed */
	bool rescale;         /* topk, batchtopk: latents are chosen by z |dec_j| */
	size_t k_start;    /* topk, batchtopk: k falls linearly from here to k; 0: no annealing */
	double k_fraction; /* of the steps */

	double sparsity; /* coefficient of relu's, gated's (L1) and jumprelu's (L0) penalty */
	double sparsity_warmup; /* of the steps: linear up from 0 */
	ps_l0_penalty l0_penalty;
	double target_l0, tanh_scale, bandwidth, threshold_start;
	bool ste_to_input; /* jumprelu: the straight-through term reaches the encoder too */
	bool gate_alone; /* gated: the auxiliary reconstruction does not train the decoder (the paper) */
	double threshold_rate;    /* batchtopk: of the running mean of the least active value */
	bool threshold_from_zero; /* that mean starts at 0 (SAELens), not at the first value */
	size_t matryoshka_levels; /* batchtopk; 0: none (sae/matryoshka.h) */
	size_t matryoshka_width[PS_MATRYOSHKA_MOST]; /* ascending, below d_sae */

	double auxk_coefficient; /* topk, batchtopk; 0: none */
	ps_auxk_form auxk_form;
	uint64_t dead_after_tokens; /* 0: never */
	uint64_t
		resample_tokens; /* dead latents start anew every so many tokens; 0: never (sae/resample.h) */
} ps_train_options;

typedef struct ps_trainer ps_trainer;

/* Rows of a batch: never more than tokens. */
size_t ps_train_batch_rows(const ps_train_options *options);
/* Whole batches in tokens; a remainder is left out. */
uint64_t ps_trainer_steps(const ps_train_options *options);
size_t ps_trainer_bytes(size_t d_in, const ps_train_options *options, int threads);
/* PS_EUSAGE when the options do not fit each other or the width. */
int ps_train_options_check(const ps_train_options *options, size_t d_in, ps_diag *diag) PS_MUST_USE;
/* rows: the kept rows (ids into source), borrowed. Initialises from the seeds. */
int ps_trainer_create(ps_trainer **trainer, const ps_train_options *options,
		      const ps_row_source *source, const ps_row_list *rows,
		      const ps_context *context, ps_arena *arena) PS_MUST_USE;

/* Back to the start, whatever its state holds. */
int ps_trainer_restart(ps_trainer *trainer) PS_MUST_USE;

/* Steps done so far. */
uint64_t ps_trainer_done(const ps_trainer *trainer);

typedef struct ps_train_step {
	uint64_t step, tokens; /* done so far */
	double loss, lr;
	double fvu, l0;       /* of the batch */
	double dead_fraction; /* latents silent for dead_after_tokens */
} ps_train_step;
/* One step. PS_EFAILED when the loss is not finite; the state is then that of the step before. */
int ps_trainer_step(ps_trainer *trainer, ps_train_step *out) PS_MUST_USE;

/* What the trained SAE is saved as: batchtopk as jumprelu with its learned threshold. */
ps_sae_arch ps_train_saved_arch(ps_train_arch arch);
/* The SAE with the input scale and the decoder's norms folded in (takes raw x), written into out, created by the
 * caller as ps_train_saved_arch says, with the same shape and k. */
void ps_trainer_export(const ps_trainer *trainer, ps_sae *out);

/* All that a resumed run needs, as named arrays in a fixed order: tools/ writes and reads them as tensors. */
typedef struct ps_state_part {
	const char *name;
	void *data;
	size_t bytes;
	ps_dtype dtype; /* PS_F32, PS_F64 or PS_I64 */
} ps_state_part;
size_t ps_trainer_state(ps_trainer *trainer, ps_state_part *parts,
			size_t max_parts); /* returns the count */
/* After the parts' data were overwritten by saved ones: checks and takes them over. */
int ps_trainer_resume(ps_trainer *trainer) PS_MUST_USE;

#endif
