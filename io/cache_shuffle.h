/* io/cache_shuffle.h: makes an activation cache in a seeded order from a finished cache in
 * sequence. */
#ifndef PS_IO_CACHE_SHUFFLE_H
#define PS_IO_CACHE_SHUFFLE_H

#include "core/base/progress.h"
#include "io/cache_store.h"

/* Rows per shard: about 32 MiB, in whole windows (window 1: any number of rows). */
size_t ps_cache_shard_rows(size_t width, ps_dtype dtype, size_t window);

/* The memory that a shuffle of a cache of so many rows holds besides its writer, in bytes. */
size_t ps_cache_shuffle_bytes(size_t rows, size_t width);

typedef struct ps_cache_shuffle_options {
	const char *from, *to;
	const json_t *provenance; /* of the new cache */
	ps_dtype dtype;
	uint64_t seed;
	bool replace;   /* a cache of another provenance at `to` gives way */
	bool no_verify; /* neither cache is compared with its digests */
} ps_cache_shuffle_options;

/* Row i of the cache at `to` is row ps_permute(i, rows, seed) of the cache at `from`. Continues an
 * interrupted shuffle and leaves a finished one alone. Errors: as the cache's reader and writer. */
int ps_cache_shuffle(const ps_cache_shuffle_options *options,
		     const ps_context *context) PS_MUST_USE;

#endif
