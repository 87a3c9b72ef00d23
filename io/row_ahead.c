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
	ps_row_sort *sort; /* NULL: none */
	size_t rows;       /* slots */
	size_t count;      /* rows announced */
	size_t sorted;     /* of these, the first ones: they come from the sort */
	uint64_t *ids;     /* (rows) */
	ps_read *reads;    /* (rows) */
	char *slots;       /* (rows), from a block boundary on */
	/* Parts of a batch are gathered at the same time: the lock is for state, rc and diag. */
	pthread_mutex_t lock;
	enum { IDLE, READING, READY, FAILED } state;
	int rc;
	ps_diag diag;
	char backend[PS_BACKEND_TEXT];
};

static size_t slot_bytes(size_t width, ps_dtype dtype)
{
	return ps_read_room(width * ps_dtype_size(dtype));
}

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out(ps_row_ahead *a, size_t width, ps_dtype dtype, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	a->ids = ps_layout_part(&layout, a->rows, sizeof *a->ids);
	a->reads = ps_layout_part(&layout, a->rows, sizeof *a->reads);
	a->slots =
		ps_layout_part(&layout, a->rows * slot_bytes(width, dtype) + PS_READ_ALIGNMENT, 1);
	return layout.bytes;
}

size_t ps_row_ahead_bytes(size_t width, ps_dtype dtype, size_t rows)
{
	ps_row_ahead a = {.rows = rows};

	return ps_round_up(sizeof a, PS_ALIGN) + lay_out(&a, width, dtype, NULL);
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

/* Begins to read slots [first, end) from the cache. */
static void read_slots(ps_row_ahead *a, size_t first, size_t end)
{
	a->job = (ps_read_job){.reads = a->reads + first, .count = end - first};
	ps_reader_submit(a->reader, &a->job, PS_READ_LAST);
}

/* Waits for the rows announced before. Then they are there, or rc and diag say why not. */
static void settle(ps_row_ahead *a)
{
	if (a->state != READING)
		return;
	a->rc = ps_reader_wait(a->reader, &a->job, &a->diag);
	if (a->sorted && ps_row_sort_wait(a->sort) && !a->rc) {
		read_slots(a, 0, a->sorted);
		a->rc = ps_reader_wait(a->reader, &a->job, &a->diag);
	}
	a->state = a->rc ? FAILED : READY;
}

static void announce(void *self, const uint64_t *ids, size_t count, uint64_t place)
{
	ps_row_ahead *a = self;

	settle(a);
	a->count = ps_min_size(count, a->rows);
	memcpy(a->ids, ids, a->count * sizeof *ids);
	for (size_t i = 0; i < a->count; i++)
		a->reads[i] = read_of(a, i, ids[i]);
	a->sorted = a->sort && place != PS_ROW_NO_PLACE
			    ? ps_row_sort_ask(a->sort, place, a->count, a->reads)
			    : 0;
	a->state = READING;
	read_slots(a, a->sorted, a->count);
}

/* --- gathering --- */

/* The first of the slots that hold ids one after the other; a->count: there is none. */
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
	int rc = 0;

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
		return ps_fail(diag, a->rc, "%s", a->diag.text);
	for (size_t i = 0; i < count && !rc; i++) {
		ps_widen(a->reads[first + i].buffer, a->cache->dtype, width, out + i * width);
		rc = ps_cache_check_row(a->cache, ids[i], out + i * width, diag);
	}
	return rc;
}

static void column(void *self, ps_row_column column, const uint64_t *ids, size_t count,
		   int32_t *out)
{
	const ps_row_source *source = &((const ps_row_ahead *)self)->cache->source;

	source->column(source->self, column, ids, count, out);
}

/* --- start and end --- */

/* Tells the kernel whether to read ahead after a read and around a page of the mapping. Reading
 * ahead fetches many times the bytes of a row, in vain where the order is random. It is advice
 * only. */
static void read_on(const ps_cache *cache, bool on)
{
	for (size_t i = 0; i < cache->shard_count; i++) {
		const ps_safetensors *shard = &cache->shards[i];

		(void)posix_fadvise(shard->fd, 0, 0, on ? POSIX_FADV_NORMAL : POSIX_FADV_RANDOM);
		(void)posix_madvise((void *)(uintptr_t)shard->map, (size_t)shard->file_bytes,
				    on ? POSIX_MADV_NORMAL : POSIX_MADV_RANDOM);
	}
}

int ps_row_ahead_create(ps_row_ahead **out, const ps_cache *cache,
			const ps_row_ahead_options *options, ps_arena *arena, ps_row_source *source,
			ps_diag *diag)
{
	const size_t width = cache->source.width;
	ps_uring_options places = {
		.ring = &ps_ring_linux,
		.sys = cache->shards[0].sys,
		.files = cache->shards,
		.file_count = cache->shard_count,
		.direct_least = options->past_cache ? 1 : SIZE_MAX,
		.memory_bytes = options->rows * slot_bytes(width, cache->dtype),
	};
	ps_row_ahead *a;
	int rc;

	*source = cache->source;
	*out = NULL;
	if (options->backend == PS_IO_MMAP)
		return 0;
	a = ps_arena_take(arena, sizeof *a);
	*a = (ps_row_ahead){.cache = cache, .sort = options->sort, .rows = options->rows};
	lay_out(a, width, cache->dtype, arena);
	a->slots = ps_read_align(a->slots);
	places.memory = a->slots;
	rc = ps_backend_reader(&a->reader, options->backend, &places, a->backend, diag);
	if (rc)
		return rc;
	pthread_mutex_init(&a->lock, NULL);
	read_on(cache, false);
	source->self = a;
	source->gather = gather;
	source->column = source->column ? column : NULL;
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
