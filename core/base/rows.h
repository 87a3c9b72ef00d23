/* core/base/rows.h: the narrow interface through which activations reach training and analysis.
 *
 * io/ implements it over the shards of a cache, tests over plain memory. */
#ifndef PS_CORE_BASE_ROWS_H
#define PS_CORE_BASE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"

/* What a source may know of a row besides its activations. */
typedef enum ps_row_column {
	PS_ROW_TOKEN_ID,
	PS_ROW_POSITION,
	PS_ROW_WINDOW_ID,
	PS_ROW_COLUMNS
} ps_row_column;

/* Rows that stand in no order. */
#define PS_ROW_NO_PLACE UINT64_MAX

typedef struct ps_row_source {
	void *self;
	uint64_t rows; /* N */
	size_t width;  /* D */
	/* out (count, D) f32 = rows ids[i], in that order. ids may repeat and come in any order.
	 * Thread-safe. */
	int (*gather)(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag);
	/* A hint: these rows will be gathered next, in this order. The source may start to read
	 * them. place: of ids[0] in the order of training (core/base/row_order.h), the others
	 * follow; or PS_ROW_NO_PLACE. No gather of this source runs at the same time. NULL if the
	 * source takes no hints. */
	void (*ahead)(void *self, const uint64_t *ids, size_t count, uint64_t place);
	/* The columns that the source knows of every row, as bits 1 << column. */
	unsigned columns;
	/* out (count) = one column of rows ids[i]. Thread-safe. NULL if columns is 0. */
	void (*column)(void *self, ps_row_column column, const uint64_t *ids, size_t count,
		       int32_t *out);
} ps_row_source;

/* Whether the source knows this column. */
static inline bool ps_row_source_has(const ps_row_source *source, ps_row_column column)
{
	return source->columns >> column & 1;
}

/* The rows that a filter keeps, in ascending order. The list takes 1.125 bits for each row of the
 * source, and nothing if all rows are kept. Element i is found by bisecting `before` and then
 * counting the bits of one block.
 *
 * With together = n > 1 the rows of the source come in runs of n: a token's activations from n
 * models. A run is kept or dropped as a whole, and stays side by side in every order. bits and
 * `before` then count runs; elements are rows. */
typedef struct ps_row_list {
	const uint64_t *bits;   /* bit r % 64 of word r / 64: run r is kept; NULL: all are */
	const uint64_t *before; /* (blocks): kept runs before each block of PS_ROW_BLOCK runs */
	uint64_t blocks;
	uint64_t first;    /* kept rows that come before the list; a multiple of together */
	uint64_t count;    /* rows of the list; a multiple of together */
	uint32_t together; /* rows of a run; 0 is taken for 1 */
} ps_row_list;

#define PS_ROW_BLOCK ((uint64_t)512)

/* How many words of memory ps_row_list_make needs for a source of so many rows (or runs). */
size_t ps_row_list_words(uint64_t rows);

/* Makes a list over words (ps_row_list_words), which it borrows. The caller has set the bits at
 * their beginning; bits from `rows` on are 0. */
ps_row_list ps_row_list_make(uint64_t *words, uint64_t rows);

/* The row number of element i < count. */
uint64_t ps_row_list_at(const ps_row_list *list, uint64_t i);

/* ids (count) = the row numbers of elements first, first + 1 and so on. */
void ps_row_list_get(const ps_row_list *list, uint64_t first, size_t count, uint64_t *ids);

/* Elements [first, first + count) as a list of their own, over the same memory. */
ps_row_list ps_row_list_part(const ps_row_list *list, uint64_t first, uint64_t count);

/* The part that element i lies in: the last p < count with first[p] <= i. first (count) is
 * ascending, first[0] <= i. */
size_t ps_find_part(const uint64_t *first, size_t count, uint64_t i);

/* The rows of a run, at least 1. */
static inline uint64_t ps_row_list_together(const ps_row_list *list)
{
	return list->together ? list->together : 1;
}

#endif
