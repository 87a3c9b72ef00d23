#include "core/base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

struct worker {
	ps_pool *pool;
	pthread_t thread;
	int index;
};

struct ps_pool {
	int threads;
	struct worker *workers; /* (threads - 1); the calling thread is worker 0 */
	pthread_mutex_t mutex;
	pthread_cond_t start, finish;
	unsigned long generation; /* counts the calls of ps_pool_run */
	int running, quit;
	ps_pool_fn fn;
	void *context;
	size_t items;
	atomic_size_t next;
};

int ps_pool_processors(void)
{
	cpu_set_t allowed[8] = {{{0}}}; /* 8,192 processors: what kernels are built for at most */
	const int count = sched_getaffinity(0, sizeof allowed, allowed)
				  ? 1
				  : CPU_COUNT_S(sizeof allowed, allowed);

	return count < PS_POOL_THREADS_MAX ? count : PS_POOL_THREADS_MAX;
}

static void drain(ps_pool *pool, int worker)
{
	for (;;) {
		size_t item = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);

		if (item >= pool->items)
			return;
		pool->fn(pool->context, item, worker);
	}
}

static void *worker_main(void *argument)
{
	struct worker *self = argument;
	ps_pool *pool = self->pool;
	unsigned long seen = 0;

	for (;;) {
		pthread_mutex_lock(&pool->mutex);
		while (pool->generation == seen && !pool->quit)
			pthread_cond_wait(&pool->start, &pool->mutex);
		seen = pool->generation;
		pthread_mutex_unlock(&pool->mutex);
		if (pool->quit)
			return NULL;
		drain(pool, self->index);
		pthread_mutex_lock(&pool->mutex);
		if (--pool->running == 0)
			pthread_cond_signal(&pool->finish);
		pthread_mutex_unlock(&pool->mutex);
	}
}

int ps_pool_create(ps_pool **out, int threads, ps_diag *diag)
{
	ps_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return ps_fail(diag, PS_EBUDGET, "no memory for a thread pool");
	pool->workers = calloc((size_t)threads, sizeof *pool->workers);
	if (!pool->workers) {
		free(pool);
		return ps_fail(diag, PS_EBUDGET, "no memory for %d threads", threads);
	}
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->start, NULL);
	pthread_cond_init(&pool->finish, NULL);
	pool->threads = 1;
	for (int i = 1; i < threads; i++) {
		struct worker *w = &pool->workers[i - 1];
		int err;

		*w = (struct worker){.pool = pool, .index = i};
		err = pthread_create(&w->thread, NULL, worker_main, w);
		if (err) {
			ps_pool_destroy(pool);
			if (err != EAGAIN)
				return ps_fail_errno(diag, err, "cannot start thread %d of %d",
						     i + 1, threads);
			return ps_fail(
				diag, PS_EBUDGET,
				"cannot start thread %d of %d: no memory for its stack, or "
				"no more processes are allowed (ulimit -u, the cgroup's pids): "
				"take fewer --threads",
				i + 1, threads);
		}
		pool->threads++;
	}
	*out = pool;
	return 0;
}

void ps_pool_destroy(ps_pool *pool)
{
	if (!pool)
		return;
	pthread_mutex_lock(&pool->mutex);
	pool->quit = 1;
	pthread_cond_broadcast(&pool->start);
	pthread_mutex_unlock(&pool->mutex);
	for (int i = 1; i < pool->threads; i++)
		pthread_join(pool->workers[i - 1].thread, NULL);
	pthread_cond_destroy(&pool->start);
	pthread_cond_destroy(&pool->finish);
	pthread_mutex_destroy(&pool->mutex);
	free(pool->workers);
	free(pool);
}

int ps_pool_threads(const ps_pool *pool)
{
	return pool->threads;
}

void ps_pool_run(ps_pool *pool, size_t items, ps_pool_fn fn, void *context)
{
	pool->fn = fn;
	pool->context = context;
	pool->items = items;
	atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
	if (pool->threads == 1 || items <= 1) {
		drain(pool, 0);
		return;
	}
	pthread_mutex_lock(&pool->mutex);
	pool->running = pool->threads - 1;
	pool->generation++;
	pthread_cond_broadcast(&pool->start);
	pthread_mutex_unlock(&pool->mutex);
	drain(pool, 0);
	pthread_mutex_lock(&pool->mutex);
	while (pool->running)
		pthread_cond_wait(&pool->finish, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
}
