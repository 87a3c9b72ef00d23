/* sae/batch.h: which rows a step takes, and how they are fetched.
 *
 * Step s takes the places from s B on of the order of training (core/base/row_order.h). */
#ifndef PS_SAE_BATCH_H
#define PS_SAE_BATCH_H

#include "core/base/progress.h"
#include "core/base/rows.h"
#include "sae/layout.h"
#include "sae/train_options.h"

/* Gathers rows ids[i] of the source into out (count, D), with all threads of the pool. The ids are
 * cut into parts; the error and message are those of the first part that failed. */
int ps_batch_gather(const ps_row_source *source, const uint64_t *ids, size_t count, float *out,
		    const ps_context *context) PS_MUST_USE;

/* Writes the rows of a step, counted from 0, into ids (options->batch). */
void ps_batch_choose(const ps_train_options *options, const ps_row_list *rows, uint64_t step,
		     uint64_t *ids);

/* The rows that one or several trainers take, and the batch in hand. */
typedef struct ps_feed {
	const ps_row_source *source;
	const ps_row_list *rows; /* the kept rows of source */
	uint64_t announced;      /* the last step that source->ahead was told of, or PS_FEED_NONE */
	uint64_t *ids;           /* (B): scratch */
	float *raw; /* (B, D): the batch as it comes; x itself where a single trainer takes it */
	float *x;   /* (B, D): the batch, scaled and centred for the trainer whose turn it is */
} ps_feed;

#define PS_FEED_NONE UINT64_MAX

/* Lists the buffers of batches of `batch` rows that so many trainers take. NULL while counting.
 * source and rows are borrowed. */
ps_feed *ps_feed_lay_out(ps_sae_layout *layout, const ps_row_source *source,
			 const ps_row_list *rows, size_t batch, size_t trainers);

/* Gathers the batch of a step, one of `steps`, into feed->raw. Announces its rows to the source, if
 * that has not been done, and then the next step's. Errors are the source's. */
int ps_feed_load(ps_feed *feed, const ps_train_options *options, uint64_t step, uint64_t steps,
		 const ps_context *context) PS_MUST_USE;

#endif
