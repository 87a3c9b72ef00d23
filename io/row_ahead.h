/* io/row_ahead.h: the rows of an activation cache, read from its shards while the caller computes.
 *
 * It is a row source over a cache (core/base/rows.h):
 * - `ahead` hands the rows that will be gathered next to a reader thread (io/reader.h). Each row
 *   goes into a slot of its own.
 * - `gather` of those rows, in that order and in any parts, waits for them and widens them out of
 *   their slots. Rows that were not announced come from the mapping, with the same bits.
 * So a random order over a cache of any size needs memory for one batch, and no row is read twice.
 * Rows that a sort (io/row_sort.h) has ready come from its file, the others each by a read of its
 * own.
 *
 * While it lives, the kernel is asked not to read ahead in the shards nor around a page of their
 * mapping. A slot holds one row and the blocks of 4,096 bytes that it touches. States of the batch:
 *
 *   IDLE -(ahead)-> READING -(first gather)-> READY or FAILED -(ahead)-> READING ... */
#ifndef PS_IO_ROW_AHEAD_H
#define PS_IO_ROW_AHEAD_H

#include "core/base/arena.h"
#include "io/backend.h"
#include "io/row_sort.h"

typedef struct ps_row_ahead ps_row_ahead;

typedef struct ps_row_ahead_options {
	ps_backend backend;
	/* Rows that the page cache does not hold are read directly from the device. They cost half
	 * the processor time, and do not enter the page cache. Set it when the cache exceeds
	 * memory. Otherwise leave it off: later epochs would not find the rows in the page
	 * cache. */
	bool past_cache;
	size_t rows; /* that may be announced at a time */
	/* Of the cache, and outlives this; NULL: none. */
	ps_row_sort *sort;
} ps_row_ahead_options;

/* Arena bytes for so many slots. */
size_t ps_row_ahead_bytes(size_t width, ps_dtype dtype, size_t rows);

/* Starts the reader thread. *source is the cache's source with `ahead` added. The cache must
 * outlive it. With PS_IO_MMAP there is no reader: *ahead is NULL and *source is the cache's own
 * source. PS_IO_URING on a system that refuses it: -errno. */
int ps_row_ahead_create(ps_row_ahead **ahead, const ps_cache *cache,
			const ps_row_ahead_options *options, ps_arena *arena, ps_row_source *source,
			ps_diag *diag) PS_MUST_USE;
/* Ends the reader thread. Call it before the arena goes. NULL is allowed. */
void ps_row_ahead_destroy(ps_row_ahead *ahead);
/* What is used (io/backend.h). NULL is allowed. */
const char *ps_row_ahead_backend(const ps_row_ahead *ahead);

#endif
