#include "io/row_sort.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/thread.h"
#include "io/chunk_file.h"

#define LEAST_SHARE 8                        /* a pass is for at least 1/8 of an epoch */
#define CHUNK_MAX ((size_t)1 << 20)          /* bytes */
#define CHUNK_MIN ((size_t)16 << 10)         /* bytes */
#define BLOCK_CHUNKS 2                       /* of the cache that are read at a time */
#define SLACK_SHARE 32                       /* of the buckets: chunks beyond those of an epoch */
#define TAG_BYTES ((size_t)sizeof(uint32_t)) /* of a row's place within its bucket */

/* The buckets of (a part of) one epoch in the file. */
struct pass {
	uint64_t first, end;    /* places; equal: there is none */
	size_t bucket;          /* the first that has not gone to memory */
	bool complete;          /* all rows are in the file */
	ps_chunk_chain *chains; /* (buckets) */
};

/* A bucket in memory. */
struct bucket {
	uint64_t first, end;  /* places; equal: there is none */
	ps_chunk_chain chain; /* what is not read yet */
	size_t bytes;         /* that are read */
	bool ready;
	char *records; /* tag and row, in the order of the cache */
	uint32_t *at;  /* (bucket_rows): which record belongs to a place */
};

/* A stretch of a shard on its way through memory. */
struct block {
	ps_read read;
	ps_read_job job;
	bool pending; /* the job is not waited for */
	uint64_t row; /* the first, of the cache */
	size_t rows, done;
	char *memory;
};

struct ps_row_sort {
	const ps_cache *cache;
	ps_row_list rows;
	ps_row_order order;
	uint64_t places;
	ps_row_sort_plan plan;
	const char *folder;
	size_t row_bytes, record_bytes, block_rows;
	pthread_t thread;

	/* The thread's own. */
	ps_chunk_file file;
	ps_reader *reader;
	char backend[PS_BACKEND_TEXT];
	struct pass reading, writing;
	uint64_t next_place;     /* the next pass begins there, or later */
	struct bucket now, next; /* whose rows are taken; which is read */
	struct block block[2];   /* of the pass */
	size_t turn, closing;    /* the block that is looked at; the bucket that is written last */
	uint64_t read_row, passed; /* the next row to be read; listed rows that the pass has seen */
	char *buffers;             /* (buckets, chunk_bytes): of the pass */
	uint32_t *filled;          /* (buckets): bytes in the buffer */
	ps_diag fault;             /* of reading the cache */

	/* Shared with the caller, under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	bool begun;                      /* something was asked for, first at next_place */
	uint64_t place;                  /* up to which was asked for */
	uint64_t ready_first, ready_end; /* places that can be asked for; equal: none */
	struct {
		enum { IDLE, ASKED, CAME } state;
		uint64_t place;
		size_t count;
		const ps_read *reads;
		int rc;
	} job;
	ps_diag why; /* sorting has ended; empty: it has not */
};

/* --- the plan --- */

static size_t block_rows(const ps_row_sort_plan *p, size_t row_bytes)
{
	return BLOCK_CHUNKS * p->chunk_bytes / row_bytes;
}

/* Bytes that devices move from and to: they start on a block boundary. */
static size_t moved_bytes(const ps_row_sort_plan *p, size_t row_bytes)
{
	return p->buckets * p->chunk_bytes + 2 * p->bucket_chunks * p->chunk_bytes +
	       2 * ps_read_room(block_rows(p, row_bytes) * row_bytes);
}

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out(ps_row_sort *s, size_t row_bytes, ps_arena *arena)
{
	const ps_row_sort_plan *p = &s->plan;
	ps_layout layout = {.arena = arena};

	s->file.count = p->chunks;
	s->file.chunk_bytes = p->chunk_bytes;
	ps_chunk_file_lay_out(&s->file, &layout);
	s->reading.chains = ps_layout_part(&layout, p->buckets, sizeof *s->reading.chains);
	s->writing.chains = ps_layout_part(&layout, p->buckets, sizeof *s->writing.chains);
	s->now.at = ps_layout_part(&layout, p->bucket_rows, sizeof *s->now.at);
	s->next.at = ps_layout_part(&layout, p->bucket_rows, sizeof *s->next.at);
	s->filled = ps_layout_part(&layout, p->buckets, sizeof *s->filled);
	s->buffers = ps_layout_part(&layout, moved_bytes(p, row_bytes) + PS_READ_ALIGNMENT, 1);
	return layout.bytes;
}

/* Chunks of so many bytes; chunk_bytes 0: they do not fit the numbers of a chain. */
static ps_row_sort_plan plan_with(size_t chunk_bytes, size_t row_bytes, uint64_t rows, bool again)
{
	const double bytes = (double)rows * (double)(row_bytes + TAG_BYTES);
	const size_t buckets = ps_max_size((size_t)sqrt(2 * bytes / (double)chunk_bytes), 1);
	ps_row_sort_plan p = {.chunk_bytes = chunk_bytes};
	ps_row_sort counted;

	p.bucket_rows = ps_div_up((size_t)rows, buckets);
	p.buckets = ps_div_up((size_t)rows, p.bucket_rows);
	p.bucket_chunks = ps_div_up(p.bucket_rows * (row_bytes + TAG_BYTES), chunk_bytes);
	p.chunks = p.buckets * p.bucket_chunks;
	if (again)
		p.chunks += ps_max_size(p.buckets / SLACK_SHARE, 2) * p.bucket_chunks;
	if (p.chunks >= PS_NO_CHUNK || p.bucket_rows > UINT32_MAX)
		return (ps_row_sort_plan){0};
	p.disk_bytes = (uint64_t)p.chunks * chunk_bytes;
	counted = (ps_row_sort){.plan = p};
	p.memory_bytes = ps_round_up(sizeof counted, PS_ALIGN) + lay_out(&counted, row_bytes, NULL);
	return p;
}

ps_row_sort_plan ps_row_sort_choose(size_t width, ps_dtype dtype, uint64_t rows, uint64_t places,
				    ps_row_sort_limits limits)
{
	const size_t row_bytes = width * ps_dtype_size(dtype);

	if (places < rows / LEAST_SHARE)
		return (ps_row_sort_plan){0};
	for (size_t chunk = CHUNK_MAX; chunk >= CHUNK_MIN && chunk >= row_bytes + TAG_BYTES;
	     chunk /= 2) {
		ps_row_sort_plan p =
			plan_with(chunk, row_bytes, places < rows ? places : rows, places > rows);

		if (p.chunk_bytes && p.memory_bytes <= limits.memory_bytes &&
		    p.disk_bytes <= limits.disk_bytes)
			return p;
	}
	return (ps_row_sort_plan){0};
}

/* --- buckets, from the file to memory --- */

static bool is_pass(const struct pass *pass)
{
	return pass->first < pass->end;
}

static size_t pass_buckets(const ps_row_sort *s, const struct pass *pass)
{
	return ps_div_up((size_t)(pass->end - pass->first), s->plan.bucket_rows);
}

static bool holds(const struct bucket *b, uint64_t place)
{
	return b->first <= place && place < b->end;
}

static void forget_bucket(ps_row_sort *s, struct bucket *b)
{
	ps_chunk_file_drop(&s->file, &b->chain);
	b->first = b->end = 0;
	b->ready = false;
}

/* The pass that was written is read from now on, if it is complete. */
static void turn_over(ps_row_sort *s)
{
	const struct pass old = s->reading;

	if (is_pass(&s->reading) || !s->writing.complete)
		return;
	s->reading = s->writing;
	s->reading.bucket = 0;
	s->writing = (struct pass){.chains = old.chains};
}

/* Makes the first bucket that ends after `place` the next one. False: no bucket is in the file. */
static bool begin_bucket(ps_row_sort *s, uint64_t place)
{
	struct bucket *b = &s->next;

	while (is_pass(&s->reading)) {
		struct pass *pass = &s->reading;
		const size_t i = pass->bucket++;

		*b = (struct bucket){.first = pass->first + i * s->plan.bucket_rows,
				     .chain = pass->chains[i],
				     .records = b->records,
				     .at = b->at};
		b->end = b->first + s->plan.bucket_rows;
		if (b->end >= pass->end) {
			b->end = pass->end;
			pass->first = pass->end = 0;
			turn_over(s);
		}
		if (b->end > place)
			return true;
		forget_bucket(s, b);
	}
	return false;
}

/* The bytes of the chunk of a bucket that begins at byte `at`. */
static size_t chunk_length(const ps_row_sort *s, const struct bucket *b, size_t at)
{
	const size_t bytes = (size_t)(b->end - b->first) * s->record_bytes;

	return ps_round_up(ps_min_size(bytes - at, s->plan.chunk_bytes), PS_CHUNK_ALIGNMENT);
}

/* Notes where each row of a bucket is. */
static int sort_records(const ps_row_sort *s, struct bucket *b)
{
	const size_t rows = (size_t)(b->end - b->first);

	for (size_t i = 0; i < rows; i++) {
		uint32_t tag;

		memcpy(&tag, b->records + i * s->record_bytes, sizeof tag);
		if (tag >= rows)
			return -EBADMSG;
		b->at[tag] = (uint32_t)i;
	}
	b->ready = true;
	return 0;
}

/* Reads one more chunk of the next bucket. */
static int load_chunk(ps_row_sort *s)
{
	struct bucket *b = &s->next;
	const size_t length = chunk_length(s, b, b->bytes);
	int rc = ps_chunk_file_take(&s->file, &b->chain, b->records + b->bytes, length);

	b->bytes += length;
	if (!rc && b->bytes >= (size_t)(b->end - b->first) * s->record_bytes)
		rc = sort_records(s, b);
	return rc;
}

/* Makes the bucket of a place the present one. */
static int reach(ps_row_sort *s, uint64_t place)
{
	int rc = 0;

	while (!rc && !holds(&s->now, place)) {
		const struct bucket old = s->now;

		if (s->next.first == s->next.end && !begin_bucket(s, place))
			return -ENODATA;
		while (!rc && !s->next.ready)
			rc = load_chunk(s);
		s->now = s->next;
		s->next = (struct bucket){
			.chain = {PS_NO_CHUNK, PS_NO_CHUNK}, .records = old.records, .at = old.at};
	}
	return rc;
}

static int copy_rows(ps_row_sort *s, uint64_t place, size_t count, const ps_read *reads)
{
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		rc = reach(s, place + i);
		if (!rc)
			memcpy(reads[i].buffer,
			       s->now.records +
				       s->now.at[place + i - s->now.first] * s->record_bytes +
				       TAG_BYTES,
			       s->row_bytes);
	}
	return rc;
}

/* --- a pass, from the cache to the file --- */

/* Begins to read the next stretch of the cache. */
static void fetch(ps_row_sort *s, struct block *b)
{
	const ps_cache *cache = s->cache;
	const uint64_t first = s->read_row;
	size_t shard;

	b->row = first;
	b->rows = b->done = 0;
	if (first == cache->source.rows || s->passed == s->rows.first + s->rows.count)
		return;
	shard = ps_find_part(cache->first_row, cache->shard_count, first);
	b->rows = ps_min_size(s->block_rows, (size_t)(cache->first_row[shard + 1] - first));
	s->read_row += b->rows;
	b->read = (ps_read){.file = &cache->shards[shard],
			    .offset = cache->activations[shard]->offset +
				      (first - cache->first_row[shard]) * s->row_bytes,
			    .bytes = b->rows * s->row_bytes};
	b->read.buffer = ps_read_place(b->memory, b->read.offset);
	b->job = (ps_read_job){.reads = &b->read, .count = 1};
	b->pending = true;
	ps_reader_submit(s->reader, &b->job, PS_READ_LAST);
}

/* The places of the next pass: the rest of an epoch. False: no pass is worth while. */
static bool next_pass(const ps_row_sort *s, uint64_t *first, uint64_t *end)
{
	const uint64_t rows = s->rows.count;

	for (*first = s->next_place; *first < s->places; *first = *end) {
		*end = (*first / rows + 1) * rows;
		*end = *end < s->places ? *end : s->places;
		if (*end - *first >= rows / LEAST_SHARE && *end > *first)
			return true;
	}
	return false;
}

static bool begin_pass(ps_row_sort *s)
{
	struct pass *pass = &s->writing;

	if (is_pass(pass))
		return true;
	if (!next_pass(s, &pass->first, &pass->end)) {
		pass->first = pass->end = 0;
		return false;
	}
	pass->complete = false;
	s->next_place = pass->end;
	for (size_t i = 0; i < s->plan.buckets; i++) {
		pass->chains[i] = (ps_chunk_chain){PS_NO_CHUNK, PS_NO_CHUNK};
		s->filled[i] = 0;
	}
	s->read_row = s->passed = 0;
	s->turn = s->closing = 0;
	fetch(s, &s->block[0]);
	fetch(s, &s->block[1]);
	return true;
}

/* Writes what is in the buffer of a bucket. */
static int flush(ps_row_sort *s, size_t bucket)
{
	const size_t bytes = ps_round_up(s->filled[bucket], PS_CHUNK_ALIGNMENT);

	s->filled[bucket] = 0;
	return ps_chunk_file_append(&s->file, &s->writing.chains[bucket],
				    s->buffers + bucket * s->plan.chunk_bytes, bytes);
}

static int append(ps_row_sort *s, size_t bucket, const void *data, size_t bytes)
{
	char *buffer = s->buffers + bucket * s->plan.chunk_bytes;
	const size_t part = ps_min_size(bytes, s->plan.chunk_bytes - s->filled[bucket]);
	int rc = 0;

	memcpy(buffer + s->filled[bucket], data, part);
	s->filled[bucket] += (uint32_t)part;
	if (s->filled[bucket] == s->plan.chunk_bytes)
		rc = flush(s, bucket);
	if (rc || part == bytes)
		return rc;
	memcpy(buffer, (const char *)data + part, bytes - part);
	s->filled[bucket] = (uint32_t)(bytes - part);
	return 0;
}

/* Puts the next row of a block into its bucket, if the pass wants it. *full: there is no free chunk
 * for it now, and nothing is done. */
static int put_row(ps_row_sort *s, struct block *b, bool *full)
{
	const uint64_t row = b->row + b->done, passed = s->passed - s->rows.first;
	const bool listed = !s->rows.bits || s->rows.bits[row / 64] >> row % 64 & 1;
	const char *data = b->read.buffer + b->done * s->row_bytes;
	uint64_t place;
	uint32_t tag;
	size_t bucket;
	int rc;

	if (listed && s->passed >= s->rows.first && passed < s->rows.count) {
		place = ps_row_order_place(&s->order, s->writing.first / s->rows.count, passed);
		if (s->writing.first <= place && place < s->writing.end) {
			bucket = (size_t)(place - s->writing.first) / s->plan.bucket_rows;
			tag = (uint32_t)((place - s->writing.first) % s->plan.bucket_rows);
			*full = s->filled[bucket] + s->record_bytes >= s->plan.chunk_bytes &&
				!s->file.free_count;
			if (*full)
				return 0;
			rc = append(s, bucket, &tag, sizeof tag);
			if (!rc)
				rc = append(s, bucket, data, s->row_bytes);
			if (rc)
				return rc;
		}
	}
	s->passed += listed;
	b->done++;
	return 0;
}

/* Sorts a block, as far as there are free chunks. *moved: a row has been sorted. */
static int sort_block(ps_row_sort *s, struct block *b, bool *moved)
{
	bool full = false;
	int rc = b->pending ? ps_reader_wait(s->reader, &b->job, &s->fault) : 0;

	b->pending = false;
	while (!rc && !full && b->done < b->rows) {
		rc = put_row(s, b, &full);
		*moved |= !full;
	}
	if (rc || b->done < b->rows)
		return rc;
	fetch(s, b);
	s->turn = 1 - s->turn;
	return 0;
}

/* Writes what is left in the buffers. Then the pass is complete. */
static int close_pass(ps_row_sort *s, bool *moved)
{
	const size_t buckets = pass_buckets(s, &s->writing);
	int rc = 0;

	for (; s->closing < buckets; s->closing++) {
		if (s->filled[s->closing] && !s->file.free_count)
			return 0;
		rc = s->filled[s->closing] ? flush(s, s->closing) : 0;
		if (rc)
			return rc;
		*moved = true;
	}
	pthread_mutex_lock(&s->lock);
	if (s->ready_first == s->ready_end)
		s->ready_first = s->writing.first;
	s->ready_end = s->writing.end;
	pthread_mutex_unlock(&s->lock);
	s->writing.complete = *moved = true;
	turn_over(s);
	return 0;
}

/* --- the thread --- */

/* Does a small part of the work that is to be done before rows are asked for. *moved false: there
 * is none for now. place: up to which was asked for. */
static int advance(ps_row_sort *s, uint64_t place, bool *moved)
{
	const bool loads = s->next.first < s->next.end || begin_bucket(s, place);
	struct block *b;

	*moved = loads && !s->next.ready;
	if (*moved)
		return load_chunk(s);
	if (s->writing.complete || !begin_pass(s))
		return 0;
	if (s->writing.end <= place)
		return -ETIME;
	b = &s->block[s->turn];
	return b->rows ? sort_block(s, b, moved) : close_pass(s, moved);
}

/* Sorting ends for good. The lock is held. */
static void end_sorting(ps_row_sort *s, int error)
{
	s->ready_first = s->ready_end = 0;
	ps_chunk_file_close(&s->file);
	s->why = s->fault;
	if (error == -ETIME)
		(void)ps_fail(&s->why, error, "it takes longer than training on them");
	else if (error == -EBADMSG)
		(void)ps_fail(&s->why, error,
			      "the unnamed file in %s holds other bytes than were written",
			      s->folder);
	else
		(void)ps_fail_errno(&s->why, -error, "the unnamed file in %s", s->folder);
}

static bool has_ended(const ps_row_sort *s)
{
	return *s->why.text;
}

/* Answers what was asked, else goes on sorting. False: there is nothing to do. The lock is held,
 * and given up meanwhile. */
static bool work(ps_row_sort *s)
{
	const bool asked = s->job.state == ASKED;
	const uint64_t place = s->place;
	bool moved = asked;
	int rc = -ECANCELED;

	if (!has_ended(s)) {
		pthread_mutex_unlock(&s->lock);
		rc = asked ? copy_rows(s, s->job.place, s->job.count, s->job.reads)
			   : advance(s, place, &moved);
		pthread_mutex_lock(&s->lock);
		if (rc)
			end_sorting(s, rc);
	}
	if (asked) {
		s->job.rc = rc;
		s->job.state = CAME;
		pthread_cond_broadcast(&s->changed);
	}
	return moved;
}

static void *serve(void *argument)
{
	ps_row_sort *s = argument;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		const uint64_t place = s->place;

		if ((!s->begun || !work(s)) && !s->stop && s->place == place)
			pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* --- start and end --- */

/* Gives the parts that devices move their places. */
static void place_buffers(ps_row_sort *s)
{
	const size_t block = ps_read_room(s->block_rows * s->row_bytes),
		     bucket = s->plan.bucket_chunks * s->plan.chunk_bytes;
	char *at = ps_read_align(s->buffers);

	for (int i = 0; i < 2; i++, at += block)
		s->block[i].memory = at;
	s->now.records = at;
	s->next.records = at + bucket;
	s->buffers = at + 2 * bucket;
}

static int start_reader(ps_row_sort *s, ps_backend backend, ps_diag *diag)
{
	const ps_cache *cache = s->cache;
	const ps_uring_options places = {
		.ring = &ps_ring_linux,
		.sys = cache->shards[0].sys,
		.files = cache->shards,
		.file_count = cache->shard_count,
		.direct_least = PS_DIRECT_LEAST,
		.memory = s->block[0].memory,
		.memory_bytes = 2 * ps_read_room(s->block_rows * s->row_bytes),
	};

	return ps_backend_reader(&s->reader, backend, &places, s->backend, diag);
}

int ps_row_sort_create(ps_row_sort **out, const ps_row_sort_options *options, ps_arena *arena,
		       ps_diag *diag)
{
	const ps_cache *cache = options->cache;
	const size_t row_bytes = cache->source.width * ps_dtype_size(cache->dtype);
	const ps_chunk_chain empty = {PS_NO_CHUNK, PS_NO_CHUNK};
	ps_row_sort *s = ps_arena_take(arena, sizeof *s);
	int rc;

	*out = NULL;
	*s = (ps_row_sort){.cache = cache,
			   .rows = *options->order.rows,
			   .order = options->order,
			   .places = options->places,
			   .plan = *options->plan,
			   .folder = options->folder,
			   .row_bytes = row_bytes,
			   .record_bytes = row_bytes + TAG_BYTES,
			   .block_rows = block_rows(options->plan, row_bytes),
			   .file = {.sys = cache->shards[0].sys},
			   .now.chain = empty,
			   .next.chain = empty};
	s->order.rows = &s->rows;
	lay_out(s, row_bytes, arena);
	place_buffers(s);
	rc = ps_chunk_file_open(&s->file, s->folder, diag);
	if (!rc)
		rc = start_reader(s, options->backend, diag);
	if (rc)
		goto out;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	rc = ps_thread_start(&s->thread, serve, s);
	if (rc) {
		pthread_cond_destroy(&s->changed);
		pthread_mutex_destroy(&s->lock);
		rc = ps_fail_errno(diag, -rc, "a thread that sorts rows");
	}
out:
	if (rc) {
		ps_reader_destroy(s->reader);
		ps_chunk_file_close(&s->file);
		return rc;
	}
	*out = s;
	return 0;
}

void ps_row_sort_destroy(ps_row_sort *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	ps_reader_destroy(s->reader);
	ps_chunk_file_close(&s->file);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
}

/* --- asking --- */

size_t ps_row_sort_ask(ps_row_sort *s, uint64_t place, size_t count, const ps_read *reads)
{
	size_t come = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->begun)
		s->next_place = place;
	s->begun = true;
	if (s->ready_first <= place && place < s->ready_end && place >= s->place)
		come = (size_t)(s->ready_end - place);
	come = ps_min_size(come, count);
	if (come) {
		s->job.state = ASKED;
		s->job.place = place;
		s->job.count = come;
		s->job.reads = reads;
	}
	if (place + count > s->place)
		s->place = place + count;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return come;
}

int ps_row_sort_wait(ps_row_sort *s)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	while (s->job.state != CAME)
		pthread_cond_wait(&s->changed, &s->lock);
	s->job.state = IDLE;
	rc = s->job.rc;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

bool ps_row_sort_has_ended(ps_row_sort *s, ps_diag *diag)
{
	bool ended;

	pthread_mutex_lock(&s->lock);
	ended = has_ended(s);
	if (ended)
		*diag = s->why;
	pthread_mutex_unlock(&s->lock);
	return ended;
}
