/* core/base/rows.h: the narrow interface through which activations reach training and analysis.
 * io/ implements it over cache shards; tests over plain memory. */
#ifndef PS_CORE_BASE_ROWS_H
#define PS_CORE_BASE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

/* What is known of a row besides its activations. */
typedef enum ps_row_column {
	PS_ROW_TOKEN_ID,
	PS_ROW_POSITION,
	PS_ROW_WINDOW_ID,
	PS_ROW_COLUMNS
} ps_row_column;

typedef struct ps_row_source {
	void *self;
	uint64_t rows; /* N */
	size_t width;  /* D */
	/* out (count, D) f32: rows ids[i], in that order; any order and repetition is allowed. Thread-safe. */
	int (*gather)(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag);
	/* NULL, or a hint: these rows will be gathered next, in this order; they may be read meanwhile. No gather of this
	 * source runs at the same time. */
	void (*ahead)(void *self, const uint64_t *ids, size_t count);
	/* The columns that every row has, as bits 1 << column. */
	unsigned columns;
	/* out (count): one of them for rows ids[i]. Thread-safe. NULL where there are none. */
	void (*column)(void *self, ps_row_column column, const uint64_t *ids, size_t count,
		       int32_t *out);
} ps_row_source;

static inline bool ps_row_source_has(const ps_row_source *source, ps_row_column column)
{
	return source->columns >> column & 1;
}

/* The rows that a filter keeps, in ascending order, as a list that takes 1.125 bits a row of the source, or none where
 * all are kept. Element i is found by bisecting `before`, then by counting bits of one block.
 * With `together` n > 1 the source's rows come in runs of n that are kept as one and that orders leave side by side (a
 * token's activations from n models): bits and `before` count runs, elements rows. */
typedef struct ps_row_list {
	const uint64_t *bits;   /* run r is kept: bit r % 64 of word r / 64; NULL: all are */
	const uint64_t *before; /* kept runs before each block of PS_ROW_BLOCK */
	uint64_t blocks;
	uint64_t first,
		count; /* rows: the list begins with the first-th that is kept; multiples of together */
	uint32_t together; /* 0 as 1 */
} ps_row_list;

#define PS_ROW_BLOCK ((uint64_t)512)

/* Words of ps_row_list_make's memory for a source of so many rows (or runs). */
size_t ps_row_list_words(uint64_t rows);
/* words: of ps_row_list_words, the bits in front set by the caller, those from `rows` on 0; borrowed. */
ps_row_list ps_row_list_make(uint64_t *words, uint64_t rows);

/* Row number of element i < count. */
uint64_t ps_row_list_at(const ps_row_list *list, uint64_t i);
/* ids (count): of elements first, first + 1, ... */
void ps_row_list_get(const ps_row_list *list, uint64_t first, size_t count, uint64_t *ids);
/* Elements [first, first + count) as a list over the same memory. */
ps_row_list ps_row_list_part(const ps_row_list *list, uint64_t first, uint64_t count);

/* The part that element i lies in: the last p of count with first[p] <= i; first is ascending, first[0] <= i. */
size_t ps_find_part(const uint64_t *first, size_t count, uint64_t i);

/* Rows, or runs of rows, that stay side by side: at least 1. */
static inline uint64_t ps_row_list_together(const ps_row_list *list)
{
	return list->together ? list->together : 1;
}

#endif
