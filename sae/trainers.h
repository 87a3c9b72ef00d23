/* sae/trainers.h: one or several SAEs trained side by side from one read of the data.
 *
 * A batch is gathered and widened once and handed to each trainer in turn. Each trainer goes
 * through the same steps, to the same bits, as when it is trained alone. Trainers may be at
 * different steps (after an interruption): those ahead wait.
 * Everything may differ between the SAEs except what decides the batches (ps_trainers_agree).
 * Memory: the row ids and the scaled batch are shared. Several trainers also share the batch as it
 * comes, (B, D) f32; a single one scales it in place. */
#ifndef PS_SAE_TRAINERS_H
#define PS_SAE_TRAINERS_H

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/base/rows.h"
#include "sae/train_options.h"

typedef struct ps_trainer ps_trainer;

/* What a step reports. */
typedef struct ps_train_step {
	uint64_t step, tokens; /* done so far */
	double loss, lr;
	double fvu, l0;       /* of the batch */
	double dead_fraction; /* share of the latents that are silent for dead_after_tokens */
} ps_train_step;

/* Whether two runs take the same rows at every step. That is so when batch, tokens and order agree
 * and, where the order is a permutation, data_seed agrees. */
bool ps_trainers_agree(const ps_train_options *a, const ps_train_options *b);

/* Arena bytes of trainers for options (count), which agree. SIZE_MAX when a shape overflows. */
size_t ps_trainers_bytes(size_t d_in, const ps_train_options *options, size_t count, int threads);

/* Makes trainers (count), each at its start, for options (count). rows are the kept rows of source;
 * source, rows and context are borrowed. A sample that several trainers start from is read once.
 * PS_EUSAGE as ps_train_options_check; PS_EFAILED when the options do not agree; PS_EINPUT when
 * there are no rows or they hold values that are not finite; PS_EBUDGET; errors of reading. */
int ps_trainers_create(ps_trainer **trainers, const ps_train_options *options, size_t count,
		       const ps_row_source *source, const ps_row_list *rows,
		       const ps_context *context, ps_arena *arena) PS_MUST_USE;

/* Steps that a trainer has done. */
uint64_t ps_trainer_done(const ps_trainer *trainer);
/* Steps done by the trainers that have done the fewest. */
uint64_t ps_trainers_done(ps_trainer *const *trainers, size_t count);

/* One step of the trainers that have done the fewest. out (count): their reports, zeros for those
 * that took no step. PS_EFAILED when all steps are done, or when a loss is not finite; the state is
 * then that of the step before, and the trainer at fault is the first that has done the fewest
 * steps. Other errors are of reading. */
int ps_trainers_step(ps_trainer *const *trainers, size_t count, ps_train_step *out) PS_MUST_USE;

/* Brings one trainer back to its start, whatever its state holds. Errors as at creation. */
int ps_trainer_restart(ps_trainer *trainer) PS_MUST_USE;

#endif
