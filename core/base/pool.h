/* core/base/pool.h: a fixed set of threads that share the items of one loop at a time.
 *
 * Same bits: fn's effect may depend on the item alone, never on the worker or on the order in which items
 * run; `worker` (0..threads-1) only selects scratch memory. Reductions over items are done by the caller, in
 * item order, after ps_pool_run has returned. */
#ifndef PS_CORE_BASE_POOL_H
#define PS_CORE_BASE_POOL_H

#include <stddef.h>

#include "core/base/checked.h"
#include "core/base/error.h"

typedef struct ps_pool ps_pool;
typedef void (*ps_pool_fn)(void *context, size_t item, int worker);

/* threads >= 1; the calling thread is one of them. */
int ps_pool_create(ps_pool **pool, int threads, ps_diag *diag) PS_MUST_USE;
void ps_pool_destroy(ps_pool *pool);
int ps_pool_threads(const ps_pool *pool);

/* Items of a loop over `count` things, `an_item` of them each: the last may have fewer. */
static inline size_t ps_pool_items(size_t count, size_t an_item)
{
	return ps_div_up(count, an_item);
}

/* fn(context, i, worker) for every i in [0, items); returns when all are done. Not reentrant. */
void ps_pool_run(ps_pool *pool, size_t items, ps_pool_fn fn, void *context);

#endif
