/* io/row_ahead.h: the rows of an activation cache, read from the shards while the caller computes.
 *
 * A row source over a cache: `ahead` hands the rows that will be gathered next to a reader thread, which brings each
 * into a slot of its own (io/reader.h: io_uring or pread); `gather` of those rows, in that order and in any parts,
 * waits for them and widens them out of their slots. Rows that were not announced come from the mapping, to the same
 * bits. So a random order over a cache of any size needs memory for one batch, and nothing is read twice.
 * While it lives the kernel is asked not to read on after a read of the shards, nor around a page of their mapping.
 * A slot holds a row and the blocks of 4,096 bytes that it touches. States: IDLE -> (ahead) READING -> (first
 * gather) READY or FAILED -> (ahead) READING ... */
#ifndef PS_IO_ROW_AHEAD_H
#define PS_IO_ROW_AHEAD_H

#include "core/base/arena.h"
#include "io/cache_store.h"
#include "io/checkpoint.h"

typedef struct ps_row_ahead ps_row_ahead;

/* Slots for so many rows. */
size_t ps_row_ahead_bytes(size_t width, ps_dtype dtype, size_t rows);

/* Rows that may be announced at a time: `rows`. past_cache: rows that the page cache does not hold are read directly, for
 * half the processors' time, and stay out of it; right for a cache that memory does not hold, and for one that it does
 * wrong from the second epoch on. The cache outlives it. *source is the cache's, with `ahead`, and as it
 * was for mmap. uring by name where it cannot be had: -errno. NULL is handed out for mmap. */
int ps_row_ahead_create(ps_row_ahead **ahead, const ps_cache *cache, ps_backend backend,
			bool past_cache, size_t rows, ps_arena *arena, ps_row_source *source,
			ps_diag *diag) PS_MUST_USE;
/* Before the arena goes. NULL allowed. */
void ps_row_ahead_destroy(ps_row_ahead *ahead);

const char *
ps_row_ahead_backend(const ps_row_ahead *ahead); /* "uring", "pread (io_uring: ...)", "mmap" */

#endif
