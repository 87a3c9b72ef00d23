/* io/cache_shuffle.h: an activation cache in a seeded order, from the finished cache in sequence. */
#ifndef PS_IO_CACHE_SHUFFLE_H
#define PS_IO_CACHE_SHUFFLE_H

#include "core/base/progress.h"
#include "io/cache_store.h"

/* Rows per shard: about 32 MiB, whole windows (window 1: any number). */
size_t ps_cache_shard_rows(size_t width, ps_dtype dtype, size_t window);

/* What a shuffle holds besides its writer, for a cache of so many rows: a batch of them. */
size_t ps_cache_shuffle_bytes(size_t rows, size_t width);

typedef struct ps_cache_shuffle_options {
	const char *from, *to;
	const json_t *provenance; /* of the new cache */
	ps_dtype dtype;
	uint64_t seed;
	bool replace; /* a cache of another provenance at to */
} ps_cache_shuffle_options;

/* Row i of the cache at to is row ps_permute(i, rows, seed) of the one at from. Continues where an
 * interrupted one stopped; leaves a finished one alone. */
int ps_cache_shuffle(const ps_cache_shuffle_options *options,
		     const ps_context *context) PS_MUST_USE;

#endif
