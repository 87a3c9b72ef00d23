/* sae/train.h: TopK SAE training with Adam from a row source; exact to resume.
 *
 *   loss = mean over the batch of |s x - x_hat|^2 / D,  s: input scale so that the mean norm is sqrt(D)
 *   (Gao et al., arXiv 2406.04093, eq. 1-3). Folded into weights when saved: the file's SAE takes raw x.
 * Start: decoder rows random unit vectors (seeded), encoder = decoder, b_dec = mean of s x over a sample.
 * Decoder rows are kept at unit norm, the gradient's parallel part removed. Adam (beta1 .9, beta2 .999) on all
 * parameters, touched or not, as dense Adam does. Schedules are fractions of the number of steps.
 * Batches: epoch e's order is a seeded permutation of the kept rows; more tokens than rows: further epochs.
 * Same bits for any threads; state saved and restored exactly by ps_trainer_state_*. */
#ifndef PS_SAE_TRAIN_H
#define PS_SAE_TRAIN_H

#include "core/rows.h"
#include "sae/sae.h"

/* Defaults of the command line. */
#define PS_TRAIN_WARMUP_FRACTION 0.02
#define PS_TRAIN_DECAY_FRACTION 0.2
#define PS_TRAIN_AUXK_COEFFICIENT (1.0 / 32)
#define PS_TRAIN_DEAD_AFTER_TOKENS 50000

typedef struct ps_train_options {
	size_t d_sae, k, batch;
	uint64_t tokens;        /* to train on in all */
	double lr;              /* 0: the default, 2e-4 / sqrt(d_sae / 2^14) (Gao et al., 3.1) */
	double warmup_fraction, decay_fraction; /* of the steps: linear up at the start, linear to 0 at the end */
	double auxk_coefficient;   /* 0: none; Gao et al. A.2: 1/32 */
	uint64_t dead_after_tokens;
	uint64_t init_seed, data_seed;
} ps_train_options;

typedef struct ps_trainer ps_trainer;

/* Whole batches in tokens; a remainder is left out, and a batch is never larger than tokens. */
uint64_t ps_trainer_steps(const ps_train_options *options);
size_t ps_trainer_bytes(size_t d_in, const ps_train_options *options, int threads);
/* rows: the kept rows (ids into source), borrowed. Initialises from the seeds. */
int ps_trainer_create(ps_trainer **trainer, const ps_train_options *options, const ps_row_source *source,
		      const ps_row_list *rows, const ps_context *context, ps_arena *arena) PS_MUST_USE;

/* Steps done so far. */
uint64_t ps_trainer_done(const ps_trainer *trainer);

typedef struct ps_train_step {
	uint64_t step, tokens; /* done so far */
	double loss, lr;
	double fvu;            /* of the batch */
	double dead_fraction;  /* latents silent for dead_after_tokens */
} ps_train_step;
/* One step. PS_EFAILED when the loss is not finite; the state is then that of the step before. */
int ps_trainer_step(ps_trainer *trainer, ps_train_step *out) PS_MUST_USE;

/* The SAE with the input scale folded in (takes raw x), written into out, created by the caller with the same shape. */
void ps_trainer_export(const ps_trainer *trainer, ps_sae *out);

/* All that a resumed run needs, as named arrays in a fixed order: tools/ writes and reads them as tensors. */
typedef struct ps_state_part {
	const char *name;
	void *data;
	size_t bytes;
	ps_dtype dtype; /* PS_F32 or PS_I64 */
} ps_state_part;
size_t ps_trainer_state(ps_trainer *trainer, ps_state_part *parts, size_t max_parts); /* returns the count */
/* After the parts' data were overwritten by saved ones: checks and takes them over. */
int ps_trainer_resume(ps_trainer *trainer) PS_MUST_USE;

#endif
