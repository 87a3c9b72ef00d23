/* sae/schedule.h: what changes from step to step: the rate, the penalty's weight, k. Functions of options, step and
 * number of steps alone.
 *
 *   rate: linear up over warmup_fraction (from lr / w at step 0 to lr at step w - 1), lr, then over the last
 *   decay_fraction down to lr_end lr: linear, or cosine lr_end + (1 - lr_end) (1 + cos(pi t)) / 2.
 *   penalty: linear up from 0 over sparsity_warmup. k: linear from k_start to k over k_fraction, rounded. */
#ifndef PS_SAE_SCHEDULE_H
#define PS_SAE_SCHEDULE_H

#include "sae/train.h"

double ps_schedule_rate(const ps_train_options *options, uint64_t step, uint64_t steps);
double ps_schedule_sparsity(const ps_train_options *options, uint64_t step, uint64_t steps);
size_t ps_schedule_k(const ps_train_options *options, uint64_t step, uint64_t steps);
/* The largest k of the run. */
size_t ps_schedule_k_max(const ps_train_options *options);

#endif
