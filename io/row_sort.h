/* io/row_sort.h: the rows of a cache, sorted into the order of training while training goes on.
 *
 * Training takes rows in an order that is random in the file (core/base/row_order.h). A random read
 * of each row costs a request and whole blocks of the device. A sort costs three sequential passes:
 *
 *   pass     reads the cache from its beginning to its end. A row goes into the bucket of its
 *            place: bucket b of an epoch is the places from b S on, S rows. A bucket has a buffer
 *            of one chunk in memory. Full chunks go to an unnamed file (io/chunk_file.h), as the
 *            next of the bucket's chain.
 *   bucket   when its turn comes it is read into memory as a whole, and its chunks are free again.
 *            Each row carries its place within the bucket.
 *
 * A thread does both. While the buckets of an epoch are read, it writes those of the next epoch
 * into the chunks that come free. So the file is little larger than the rows of one epoch:
 *
 *   epoch e       |<- pass, rows are read singly ->|<- buckets are read, and their chunks freed ->|
 *   epoch e + 1                                    |<- pass, into the chunks that come free    ->|
 *
 * Nothing waits for a pass: rows whose epoch is not sorted yet are not here, and the caller reads
 * them in another way (io/row_ahead.h). When the disk fails, or a pass takes longer than training
 * on its rows, sorting ends for good and its file is closed. The rows are the same in any case. */
#ifndef PS_IO_ROW_SORT_H
#define PS_IO_ROW_SORT_H

#include "core/base/arena.h"
#include "core/base/row_order.h"
#include "io/backend.h"
#include "io/cache_store.h"

/* How rows are sorted. With b bytes of rows in an epoch and chunks of w bytes it takes about
 * 2 sqrt(2 b w) bytes of memory. */
typedef struct ps_row_sort_plan {
	size_t chunk_bytes; /* 0: they are not sorted */
	size_t buckets, bucket_rows, bucket_chunks;
	size_t chunks;       /* of the file */
	size_t memory_bytes; /* of the arena */
	uint64_t disk_bytes; /* of the file; 0: not sorted */
} ps_row_sort_plan;

typedef struct ps_row_sort_limits {
	size_t memory_bytes;
	uint64_t disk_bytes;
} ps_row_sort_limits;

/* The plan with the largest chunks (16 KiB to 1 MiB) within the limits. rows: of an epoch. places:
 * of the whole training. None if that has less than an eighth of an epoch: reading those rows
 * singly then costs less than a pass. */
ps_row_sort_plan ps_row_sort_choose(size_t width, ps_dtype dtype, uint64_t rows, uint64_t places,
				    ps_row_sort_limits limits);

typedef struct ps_row_sort ps_row_sort;

typedef struct ps_row_sort_options {
	const ps_cache *cache;
	ps_row_order
		order;   /* of rows of the cache; its list is copied, what that points to is not */
	uint64_t places; /* rows are asked for at places below */
	const char *folder;           /* where the unnamed file is made */
	const ps_row_sort_plan *plan; /* of the cache and the order; copied */
	ps_backend backend;           /* how the cache is read; not PS_IO_MMAP */
} ps_row_sort_options;

/* Makes the file and starts the threads. The cache must outlive it. The arena must have the plan's
 * memory. Errors: as ps_chunk_file_open and ps_backend_reader. */
int ps_row_sort_create(ps_row_sort **sort, const ps_row_sort_options *options, ps_arena *arena,
		       ps_diag *diag) PS_MUST_USE;
/* Ends the threads and closes the file. Call it before the arena goes. NULL is allowed. */
void ps_row_sort_destroy(ps_row_sort *sort);

/* Asks for the rows at the places from `place` on: each goes, as it stands in the cache, to the
 * buffer of its element of reads (count). Returns how many of them, from the first on, will come;
 * the others are not sorted. The first call begins to sort. Places ascend from call to call; what
 * lies before one that was asked for comes no more. If it returns more than 0, wait before the next
 * call. */
size_t ps_row_sort_ask(ps_row_sort *sort, uint64_t place, size_t count, const ps_read *reads);
/* Waits for the rows. Not 0: they have not come, and no others will. */
int ps_row_sort_wait(ps_row_sort *sort) PS_MUST_USE;

/* Copies why sorting has ended into diag. False: it has not. */
bool ps_row_sort_has_ended(ps_row_sort *sort, ps_diag *diag);

#endif
