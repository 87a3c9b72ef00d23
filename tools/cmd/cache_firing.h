/* tools/cmd/cache_firing.h: on how many rows of a cache each latent of an SAE fires.
 *
 * For commands that run a model: the cache is read, and its counts are made, before the engine
 * takes its memory. So the order is open, (plan), count, close. */
#ifndef PS_TOOLS_CMD_CACHE_FIRING_H
#define PS_TOOLS_CMD_CACHE_FIRING_H

#include "core/base/arena.h"
#include "io/cache_store.h"
#include "sae/sae.h"
#include "tools/run/session.h"

typedef struct ps_cache_firing {
	ps_cache cache;
	ps_row_list rows; /* that count */
	size_t latents;   /* F */
	ps_arena arena;   /* of total */
	uint64_t *total;  /* (F); after the count */
	uint64_t counted; /* rows counted */
} ps_cache_firing;

/* Opens the cache. sae: the SAE's path; shape: its shape. PS_EINPUT: its rows have another width
 * than the SAE takes, or are of another model, layer or mask than the SAE. */
int ps_cache_firing_open(ps_cache_firing *firing, ps_session *session, const char *cache,
			 const char *sae, const ps_sae *shape) PS_MUST_USE;
/* Bytes that stay taken, and bytes that counting takes besides. */
size_t ps_cache_firing_held_bytes(const ps_cache_firing *firing);
size_t ps_cache_firing_count_bytes(const ps_cache_firing *firing, const ps_sae *shape, int threads);
/* Reads all rows that count. Errors as ps_firing_count. */
int ps_cache_firing_count(ps_cache_firing *firing, ps_session *session,
			  const ps_sae *sae) PS_MUST_USE;
void ps_cache_firing_close(ps_cache_firing *firing); /* a zeroed one is allowed */

#endif
