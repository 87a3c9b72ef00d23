/* sae/trainers.h: several SAEs trained side by side from one read of the data.
 *
 * A batch is gathered and widened once and handed to each trainer in turn, so that each goes through the steps, to the
 * same bits, that it takes alone. Trainers may be at different steps (after an interruption): those ahead wait.
 * Shapes, seeds, k and everything else may differ; the batches may not. Memory: as much as the trainers alone, but the
 * row ids and the scaled batch once, and with several trainers the batch as it comes, (B, D) f32, beside it. */
#ifndef PS_SAE_TRAINERS_H
#define PS_SAE_TRAINERS_H

#include "sae/train.h"

/* Whether two runs take the same rows at every step: batch, tokens and order agree, and, where it is permuted, data_seed. */
bool ps_trainers_agree(const ps_train_options *a, const ps_train_options *b);

/* options (count), which agree. SIZE_MAX when a shape overflows. */
size_t ps_trainers_bytes(size_t d_in, const ps_train_options *options, size_t count, int threads);

/* trainers (count): as ps_trainer_create, which this is for one. A sample that several start from is read once. PS_EFAILED
 * when the options do not agree. */
int ps_trainers_create(ps_trainer **trainers, const ps_train_options *options, size_t count,
		       const ps_row_source *source, const ps_row_list *rows,
		       const ps_context *context, ps_arena *arena) PS_MUST_USE;

/* Steps done by those that have done the fewest. */
uint64_t ps_trainers_done(ps_trainer *const *trainers, size_t count);

/* One step of those that have done the fewest; out (count): their steps, zero for those that took none. On PS_EFAILED the
 * trainer at fault is the first of the list that has done the fewest steps; other failures are of reading. */
int ps_trainers_step(ps_trainer *const *trainers, size_t count, ps_train_step *out) PS_MUST_USE;

#endif
