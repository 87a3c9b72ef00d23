/* tools/cache_shuffle.h: an activation cache in a seeded order, from the finished cache in sequence. */
#ifndef PS_TOOLS_CACHE_SHUFFLE_H
#define PS_TOOLS_CACHE_SHUFFLE_H

#include "io/cache_store.h"
#include "tools/session.h"

/* Rows per shard: about 32 MiB, whole windows (window 1: any number). */
size_t ps_cache_shard_rows(size_t width, ps_dtype dtype, size_t window);

/* What a shuffle holds besides its writer, for a cache of so many rows: a batch of them. */
size_t ps_cache_shuffle_bytes(size_t rows, size_t width);

/* Row i of the cache at to is row ps_permute(i, rows, the session's seed) of the one at from. Continues where an
 * interrupted one stopped; leaves a finished one alone. */
int ps_cache_shuffle(ps_session *session, const char *from, const char *to, const json_t *provenance, ps_dtype dtype) PS_MUST_USE;

#endif
