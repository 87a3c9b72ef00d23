/* core/rows.h: the narrow interface through which activations reach training and analysis.
 * io/ implements it over cache shards; tests over plain memory. */
#ifndef PS_CORE_ROWS_H
#define PS_CORE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

typedef struct ps_row_source {
	void *self;
	uint64_t rows; /* N */
	size_t width;  /* D */
	/* out (count, D) f32: rows ids[i], in that order; any order and repetition is allowed. Thread-safe. */
	int (*gather)(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag);
	/* NULL, or a hint: these rows will be gathered next, in this order; they may be read meanwhile. No gather of this
	 * source runs at the same time. */
	void (*ahead)(void *self, const uint64_t *ids, size_t count);
	/* Per row, or NULL where the file does not say: token id, window, position. (N) each, borrowed. */
	const int32_t *token_ids, *window_ids, *positions;
} ps_row_source;

/* The rows kept by a filter, as a list of ids in ascending order. */
typedef struct ps_row_list {
	const uint64_t *ids;
	uint64_t count;
} ps_row_list;

#endif
