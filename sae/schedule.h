/* sae/schedule.h: what changes from step to step: the learning rate, the penalty's weight and k.
 *
 * Each is a function of the options, the step (from 0) and the number of steps alone.
 *   rate     rises linearly over warmup_fraction, which is w steps: lr / w at step 0, lr at step
 *            w - 1. Falls over the last decay_fraction to lr_end lr: linearly, or as a cosine,
 *            lr (lr_end + (1 - lr_end) (1 + cos(pi t)) / 2) with t from 0 to 1
 *   penalty  rises linearly from 0 over sparsity_warmup
 *   k        goes linearly from k_start to k over k_fraction, rounded */
#ifndef PS_SAE_SCHEDULE_H
#define PS_SAE_SCHEDULE_H

#include "sae/train_options.h"

/* The learning rate at a step. */
double ps_schedule_rate(const ps_train_options *options, uint64_t step, uint64_t steps);
/* The coefficient of the sparsity penalty at a step. */
double ps_schedule_sparsity(const ps_train_options *options, uint64_t step, uint64_t steps);
/* k at a step. */
size_t ps_schedule_k(const ps_train_options *options, uint64_t step, uint64_t steps);
/* The largest k of the run. */
size_t ps_schedule_k_max(const ps_train_options *options);

#endif
