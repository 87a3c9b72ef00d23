#include "io/row_ahead.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/checked.h"
#include "io/reader.h"

struct ps_row_ahead {
	const ps_cache *cache;
	ps_reader *reader;
	ps_read_job job;
	size_t rows, count; /* slots; rows announced */
	uint64_t *ids;      /* (rows) */
	ps_read *reads;     /* (rows) */
	char *slots;
	pthread_mutex_t
		lock; /* of state, code and diag: parts of a batch are gathered at the same time */
	enum { IDLE, READING, READY, FAILED } state;
	int code;
	ps_diag diag;
	char backend[PS_BACKEND_TEXT];
};

static size_t slot_bytes(size_t width, ps_dtype dtype)
{
	return ps_read_room(width * ps_dtype_size(dtype));
}

size_t ps_row_ahead_bytes(size_t width, ps_dtype dtype, size_t rows)
{
	ps_plan plan = {0};

	ps_plan_add(&plan, "row reader", sizeof(ps_row_ahead));
	ps_plan_add(&plan, "row numbers", rows * sizeof(uint64_t));
	ps_plan_add(&plan, "reads", rows * sizeof(ps_read));
	ps_plan_add(&plan, "slots", rows * slot_bytes(width, dtype) + PS_READ_ALIGNMENT);
	return plan.total_bytes;
}

/* --- announcing --- */

static ps_read read_of(const ps_row_ahead *a, size_t slot, uint64_t row)
{
	const ps_cache *cache = a->cache;
	const size_t shard = ps_find_part(cache->first_row, cache->shard_count, row),
		     bytes = cache->source.width * ps_dtype_size(cache->dtype);
	const uint64_t offset =
		cache->activations[shard]->offset + (row - cache->first_row[shard]) * bytes;

	return (ps_read){
		.file = &cache->shards[shard],
		.offset = offset,
		.bytes = bytes,
		.buffer = ps_read_place(
			a->slots + slot * slot_bytes(cache->source.width, cache->dtype), offset)};
}

/* The rows announced before are there, or why not. */
static void settle(ps_row_ahead *a)
{
	if (a->state != READING)
		return;
	a->code = ps_reader_wait(a->reader, &a->job, &a->diag);
	a->state = a->code ? FAILED : READY;
}

static void announce(void *self, const uint64_t *ids, size_t count)
{
	ps_row_ahead *a = self;

	settle(a);
	a->count = ps_min_size(count, a->rows);
	memcpy(a->ids, ids, a->count * sizeof *ids);
	for (size_t i = 0; i < a->count; i++)
		a->reads[i] = read_of(a, i, ids[i]);
	a->job = (ps_read_job){.reads = a->reads, .count = a->count};
	a->state = READING;
	ps_reader_submit(a->reader, &a->job, false);
}

/* --- gathering --- */

/* The slot from which ids stand in a row of slots, or a->count. */
static size_t find_slots(const ps_row_ahead *a, const uint64_t *ids, size_t count)
{
	for (size_t i = 0; i + count <= a->count; i++)
		if (a->ids[i] == ids[0] && !memcmp(a->ids + i, ids, count * sizeof *ids))
			return i;
	return a->count;
}

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	ps_row_ahead *a = self;
	const size_t width = a->cache->source.width;
	size_t first;

	if (!count)
		return 0;
	pthread_mutex_lock(&a->lock);
	first = a->state == IDLE ? a->count : find_slots(a, ids, count);
	if (first < a->count)
		settle(a);
	pthread_mutex_unlock(&a->lock);
	if (first == a->count)
		return a->cache->source.gather(a->cache->source.self, ids, count, out, diag);
	if (a->state == FAILED)
		return ps_fail(diag, a->code, "%s", a->diag.text);
	for (size_t i = 0; i < count; i++)
		ps_widen(a->reads[first + i].buffer, a->cache->dtype, width, out + i * width);
	return 0;
}

/* --- start and end --- */

/* Whether the kernel reads on after a read or around a page of the mapping: many times a row's bytes, lost where the
 * order is random. Advice only. */
static void read_on(const ps_cache *cache, bool on)
{
	for (size_t i = 0; i < cache->shard_count; i++) {
		const ps_safetensors *shard = &cache->shards[i];

		(void)posix_fadvise(shard->fd, 0, 0, on ? POSIX_FADV_NORMAL : POSIX_FADV_RANDOM);
		(void)posix_madvise((void *)(uintptr_t)shard->map, (size_t)shard->file_bytes,
				    on ? POSIX_MADV_NORMAL : POSIX_MADV_RANDOM);
	}
}

static size_t slots_bytes(const ps_cache *cache, size_t rows)
{
	return rows * slot_bytes(cache->source.width, cache->dtype);
}

int ps_row_ahead_create(ps_row_ahead **out, const ps_cache *cache, ps_backend backend,
			bool past_cache, size_t rows, ps_arena *arena, ps_row_source *source,
			ps_diag *diag)
{
	const size_t bytes = ps_row_ahead_bytes(cache->source.width, cache->dtype, rows);
	ps_uring_options places = {
		.ring = &ps_ring_linux,
		.sys = cache->shards[0].sys,
		.files = cache->shards,
		.file_count = cache->shard_count,
		.direct_least = past_cache ? 1 : SIZE_MAX,
	};
	ps_row_ahead *a;
	int rc;

	*source = cache->source;
	*out = NULL;
	if (backend == PS_IO_MMAP)
		return 0;
	if (bytes > arena->size_bytes - arena->used_bytes)
		return ps_fail(diag, PS_EBUDGET, "no room to read rows ahead: %zu bytes", bytes);
	a = ps_arena_take(arena, sizeof *a);
	*a = (ps_row_ahead){
		.cache = cache,
		.rows = rows,
		.ids = ps_arena_take(arena, rows * sizeof(uint64_t)),
		.reads = ps_arena_take(arena, rows * sizeof(ps_read)),
		.slots = ps_arena_take(arena, slots_bytes(cache, rows) + PS_READ_ALIGNMENT),
	};
	a->slots +=
		(PS_READ_ALIGNMENT - (uintptr_t)a->slots % PS_READ_ALIGNMENT) % PS_READ_ALIGNMENT;
	places.memory = a->slots;
	places.memory_bytes = slots_bytes(cache, rows);
	rc = ps_backend_reader(&a->reader, backend, &places, a->backend, diag);
	if (rc)
		return rc;
	pthread_mutex_init(&a->lock, NULL);
	read_on(cache, false);
	source->self = a;
	source->gather = gather;
	source->ahead = announce;
	*out = a;
	return 0;
}

void ps_row_ahead_destroy(ps_row_ahead *a)
{
	if (!a)
		return;
	ps_reader_destroy(a->reader);
	read_on(a->cache, true);
	pthread_mutex_destroy(&a->lock);
}

const char *ps_row_ahead_backend(const ps_row_ahead *a)
{
	return a ? a->backend : "mmap";
}
