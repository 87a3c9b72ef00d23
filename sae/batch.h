/* sae/batch.h: rows fetched by all threads at once. */
#ifndef PS_SAE_BATCH_H
#define PS_SAE_BATCH_H

#include "core/progress.h"
#include "core/rows.h"

/* out (count, D): rows ids[i] of the source. The first failing part's code and message are handed on. */
int ps_batch_gather(const ps_row_source *source, const uint64_t *ids, size_t count, float *out,
		    const ps_context *context) PS_MUST_USE;

#endif
