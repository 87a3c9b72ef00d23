/* sae/batch.h: rows fetched by all threads at once, and which rows a training step takes. */
#ifndef PS_SAE_BATCH_H
#define PS_SAE_BATCH_H

#include "core/base/progress.h"
#include "core/base/rows.h"
#include "sae/train.h"

/* out (count, D): rows ids[i] of the source. The first failing part's code and message are handed on. */
int ps_batch_gather(const ps_row_source *source, const uint64_t *ids, size_t count, float *out,
		    const ps_context *context) PS_MUST_USE;

/* ids (batch): the rows of a step, counted from 0. Epoch e takes every kept row once: in a permutation seeded by
 * (data_seed, e), which permutes runs where rows stay together, or in the source's order. options->batch: as it is trained with. */
void ps_batch_choose(const ps_train_options *options, const ps_row_list *rows, uint64_t step,
		     uint64_t *ids);

/* out (batch, D): the rows of a step of so many; ids (batch) is scratch. *announced: the step
 * whose rows were announced last, or UINT64_MAX; these are if they were not yet, and then the next step's. */
int ps_batch_load(const ps_train_options *options, const ps_row_source *source,
		  const ps_row_list *rows, uint64_t step, uint64_t steps, uint64_t *announced,
		  uint64_t *ids, float *out, const ps_context *context) PS_MUST_USE;

#endif
