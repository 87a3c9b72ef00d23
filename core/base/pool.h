/* core/base/pool.h: a fixed set of threads that share the items of one loop at a time.
 *
 * Three rules keep the bits of a result independent of the number of threads:
 *   - The effect of fn depends on the item alone, not on the worker, nor on the order in which
 *     items run.
 *   - `worker` (0 to threads - 1) only selects scratch memory.
 *   - The caller reduces over items itself, in item order, after ps_pool_run has returned. */
#ifndef PS_CORE_BASE_POOL_H
#define PS_CORE_BASE_POOL_H

#include <stddef.h>

#include "core/base/checked.h"
#include "core/base/error.h"

#define PS_POOL_THREADS_MAX 256

/* The processors that this process may run on, 1 to PS_POOL_THREADS_MAX: a cpuset of a container, a
 * job of Slurm or taskset may allow fewer than the machine has. */
int ps_pool_processors(void);

typedef struct ps_pool ps_pool;
typedef void (*ps_pool_fn)(void *context, size_t item, int worker);

/* Starts threads - 1 threads (threads >= 1); the calling thread is the last worker. PS_EBUDGET
 * without memory, -errno if a thread does not start. */
int ps_pool_create(ps_pool **pool, int threads, ps_diag *diag) PS_MUST_USE;

/* Ends the threads and frees the pool; NULL is allowed. */
void ps_pool_destroy(ps_pool *pool);

/* The number of workers, the calling thread included. */
int ps_pool_threads(const ps_pool *pool);

/* How many items a loop over `count` things has, with `an_item` things in each; the last may have
 * fewer. */
static inline size_t ps_pool_items(size_t count, size_t an_item)
{
	return ps_div_up(count, an_item);
}

/* Calls fn(context, i, worker) for every i in [0, items), and returns when all calls have. fn must
 * not run the pool. */
void ps_pool_run(ps_pool *pool, size_t items, ps_pool_fn fn, void *context);

#endif
