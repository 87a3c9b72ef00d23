/* sae/batch.h: rows fetched by all threads at once, and which rows a training step takes. */
#ifndef PS_SAE_BATCH_H
#define PS_SAE_BATCH_H

#include "core/base/progress.h"
#include "core/base/rows.h"
#include "sae/layout.h"
#include "sae/train_options.h"

/* out (count, D): rows ids[i] of the source. The first failing part's code and message are handed on. */
int ps_batch_gather(const ps_row_source *source, const uint64_t *ids, size_t count, float *out,
		    const ps_context *context) PS_MUST_USE;

/* ids (batch): the rows of a step, counted from 0. Epoch e takes every kept row once: in a permutation seeded by
 * (data_seed, e), which permutes runs where rows stay together, or in the source's order. options->batch: as it is trained with. */
void ps_batch_choose(const ps_train_options *options, const ps_row_list *rows, uint64_t step,
		     uint64_t *ids);

/* The rows that one or several trainers take, and the batch in hand. */
typedef struct ps_feed {
	const ps_row_source *source;
	const ps_row_list *rows; /* the kept rows of source */
	uint64_t announced; /* the step whose rows source was told of last; PS_FEED_NONE: of none */
	uint64_t *ids;      /* (B): scratch */
	float *raw;         /* (B, D): the batch as it comes; x itself where one trainer takes it */
	float *x; /* (B, D): the batch of the trainer whose turn it is, scaled and centred */
} ps_feed;

#define PS_FEED_NONE UINT64_MAX

/* Lists the buffers of batches of `batch` rows that so many trainers take. NULL while counting.
 * source and rows are borrowed. */
ps_feed *ps_feed_lay_out(ps_sae_layout *layout, const ps_row_source *source,
			 const ps_row_list *rows, size_t batch, size_t trainers);

/* Gathers the batch of a step, one of `steps`, into feed->raw. Tells the source of its rows, unless
 * that was done, and of the next step's. Errors are the source's. */
int ps_feed_load(ps_feed *feed, const ps_train_options *options, uint64_t step, uint64_t steps,
		 const ps_context *context) PS_MUST_USE;

#endif
