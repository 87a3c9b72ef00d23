/* The io_uring engine: jobs are cut into chunks, up to PS_READ_DEPTH of them in flight; what a completion left
 * unread goes in again. Of small ones, rows, it waits for half of those in flight and asks for as many again at once:
 * one at a time they would cost as many calls, wake-ups and doorbells of the device, and those are most of such a
 * read. While the last chunks of a job are in flight, the next job's go in behind them, so that the device's queue
 * does not run empty between two layers. A job is finished once all that it has in flight has come back, because the
 * kernel writes into the caller's buffers until then; only a ring that fails itself cannot say so, and is not used
 * again.
 *
 * A chunk wants [offset, end) of a file. Read directly, it takes the whole blocks around that: `lead` bytes
 * before offset come along, and again when a short read is continued inside a block. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/checked.h"
#include "io/reader.h"

#define RANGE_BYTES ((size_t)1 << 30) /* the most that the kernel registers as one range */
#define ASK_EVERY 16

struct chunk {
	ps_read_job *job;     /* NULL: not in use */
	size_t read;          /* index in the job */
	uint64_t offset, end; /* in the file */
	char *buffer;         /* where the byte at offset goes */
	size_t bytes;         /* of the whole chunk */
	bool direct;
	unsigned lead; /* of the request under way */
	int retries;
};

struct engine {
	const ps_ring *ring;
	void *self;
	ps_direct_files direct;
	char *memory;
	bool files_registered, memory_registered;
	const ps_read_feed *feed;
	ps_read_job *current; /* that chunks are cut off; NULL: none */
	struct chunk chunks[PS_READ_DEPTH];
	int free_chunks[PS_READ_DEPTH], free_count;
	size_t direct_least;
	unsigned unasked;     /* small reads until the next about which the page cache is asked */
	bool cached;          /* what it said last */
	size_t used_bytes;    /* of the chunks in use */
	int prepared, flying; /* known to the ring but not the kernel; known to the kernel */
	int broken;           /* -errno: the ring itself failed */
};

/* --- jobs --- */

/* Nothing failed yet, or something behind that place: what a message names does not hang on the order of
 * completions. */
static bool is_before_failure(const ps_read_job *job, size_t read, uint64_t offset)
{
	const ps_read_failure *failure = &job->failure;

	return !failure->error || read < failure->read ||
	       (read == failure->read && offset < failure->offset);
}

static void note_failure(ps_read_job *job, int error, size_t read, uint64_t offset)
{
	if (is_before_failure(job, read, offset))
		job->failure = (ps_read_failure){.error = error, .read = read, .offset = offset};
}

/* Finishes a job that has all been asked for, or failed, once nothing of it is in flight. */
static void settle(const struct engine *engine, ps_read_job *job)
{
	if (job != engine->current && !job->in_flight)
		engine->feed->finish(engine->feed->context, job);
}

static void put_back(struct engine *engine, int slot)
{
	ps_read_job *job = engine->chunks[slot].job;

	engine->chunks[slot].job = NULL;
	engine->free_chunks[engine->free_count++] = slot;
	engine->used_bytes -= engine->chunks[slot].bytes;
	job->in_flight--;
	settle(engine, job);
}

/* --- requests --- */

/* The registered range that a buffer lies in; -1: none, or astride two. */
static int find_range(const struct engine *engine, const char *buffer, size_t bytes)
{
	size_t first = (size_t)(buffer - engine->memory), last = first + bytes - 1;

	if (!engine->memory_registered || first / RANGE_BYTES != last / RANGE_BYTES)
		return -1;
	return (int)(first / RANGE_BYTES);
}

/* Prepares the read of what is left of a chunk. */
static void prepare(struct engine *engine, int slot)
{
	struct chunk *chunk = &engine->chunks[slot];
	const ps_safetensors *file = chunk->job->reads[chunk->read].file;
	size_t index = (size_t)(file - engine->direct.files), bytes;
	ps_ring_read request;
	int err;

	chunk->lead = chunk->direct ? (unsigned)(chunk->offset % PS_READ_ALIGNMENT) : 0;
	bytes = (size_t)(chunk->end - chunk->offset) + chunk->lead;
	if (chunk->direct)
		bytes = ps_round_up(bytes, PS_READ_ALIGNMENT);
	request = (ps_ring_read){
		.fd = chunk->direct ? engine->direct.fds[index] : file->fd,
		.memory = find_range(engine, chunk->buffer - chunk->lead, bytes),
		.buffer = chunk->buffer - chunk->lead,
		.bytes = (unsigned)bytes,
		.offset = chunk->offset - chunk->lead,
		.tag = (uint64_t)slot,
	};
	if (engine->files_registered) {
		request.fd = (int)(2 * index + chunk->direct);
		request.fd_registered = true;
	}
	err = engine->ring->prepare(engine->self, &request);
	if (!err) {
		engine->prepared++;
		return;
	}
	note_failure(chunk->job, err, chunk->read, chunk->offset);
	put_back(engine, slot);
}

/* Whether the page cache holds it, and reading it from there saves the device. That question is a call of its own: of
 * small reads one in ASK_EVERY is asked about, and answers for those after it. */
static bool is_cached(struct engine *engine, const ps_safetensors *file, uint64_t offset,
		      size_t bytes)
{
	if (bytes >= PS_DIRECT_LEAST || !engine->unasked--) {
		engine->cached = ps_direct_is_cached(engine->direct.sys, file, offset, bytes);
		engine->unasked = ASK_EVERY - 1;
	}
	return engine->cached;
}

/* The next chunk of a job: it ends on a block boundary of the file or with its read. */
static struct chunk cut(struct engine *engine, ps_read_job *job)
{
	const ps_read *read = &job->reads[job->at];
	uint64_t offset = read->offset + job->asked, end = read->offset + read->bytes;
	uint64_t most = offset - offset % PS_READ_ALIGNMENT + PS_READ_CHUNK;
	struct chunk chunk = {
		.job = job,
		.read = job->at,
		.offset = offset,
		.end = end < most ? end : most,
		.buffer = read->buffer + job->asked,
	};

	chunk.bytes = (size_t)(chunk.end - offset);
	chunk.direct = read->bytes >= engine->direct_least &&
		       engine->direct.fds[read->file - engine->direct.files] >= 0 &&
		       !is_cached(engine, read->file, offset, chunk.bytes);
	engine->used_bytes += chunk.bytes;
	job->asked += chunk.bytes;
	job->in_flight++;
	return chunk;
}

/* Whether there is more to be asked for; sees to what forbids it. */
static bool has_more(const struct engine *engine, ps_read_job *job)
{
	while (job->at < job->count && job->asked == job->reads[job->at].bytes) {
		job->at++;
		job->asked = 0;
	}
	if (job->at == job->count)
		return false;
	if (engine->broken)
		note_failure(job, engine->broken, job->at, job->reads[job->at].offset + job->asked);
	else if (atomic_load_explicit(engine->feed->stop, memory_order_relaxed))
		note_failure(job, -ECANCELED, 0, 0);
	return !job->failure.error;
}

/* Cuts chunks off the jobs while there are slots for them, waiting for a job only when nothing is in flight.
 * False: nothing is, and it is time to stop. */
static bool fill(struct engine *engine)
{
	const ps_read_feed *feed = engine->feed;

	while (engine->free_count) {
		ps_read_job *job = engine->current;
		int slot;

		if (!job)
			engine->current = job =
				feed->next(feed->context, engine->free_count == PS_READ_DEPTH);
		if (!job)
			break;
		if (!has_more(engine, job)) {
			engine->current = NULL;
			settle(engine, job);
			continue;
		}
		slot = engine->free_chunks[--engine->free_count];
		engine->chunks[slot] = cut(engine, job);
		prepare(engine, slot);
	}
	return engine->free_count < PS_READ_DEPTH;
}

static bool is_passing(int err)
{
	return err == -EINTR || err == -EAGAIN || err == -EBUSY;
}

static void pause_briefly(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	nanosleep(&pause, NULL);
}

/* Hands what is prepared to the kernel. A passing refusal is left for later when completions may relieve it. */
static int submit(struct engine *engine)
{
	for (int tries = 0; engine->prepared && tries < PS_READ_RETRIES; tries++) {
		int taken = engine->ring->submit(engine->self);

		if (taken < 0 && !is_passing(taken))
			return taken;
		if (taken > 0) {
			engine->prepared -= taken;
			engine->flying += taken;
		}
		if (engine->flying)
			return 0;
		pause_briefly();
	}
	return engine->prepared ? -EAGAIN : 0;
}

/* Moves a chunk on by what a request brought. False: no further than it was. */
static bool advance(struct chunk *chunk, int result)
{
	uint64_t got;

	if (result <= (int)chunk->lead)
		return false;
	got = (uint64_t)result - chunk->lead;
	if (got > chunk->end - chunk->offset)
		got = chunk->end - chunk->offset;
	chunk->offset += got;
	chunk->buffer += got;
	chunk->retries = 0;
	return true;
}

/* Whether a chunk that was not moved on goes in again: as it was, or through the cache when a direct read was
 * refused or ended within a block, as at the end of a file. */
static bool may_retry(struct chunk *chunk, int result)
{
	if (is_passing(result))
		return ++chunk->retries < PS_READ_RETRIES;
	if (!chunk->direct || (result < 0 && result != -EINVAL && result != -EOPNOTSUPP))
		return false;
	chunk->direct = false;
	return true;
}

/* Takes account of one completion: the chunk is done, goes in again, or fails. */
static void complete(struct engine *engine, int slot, int result)
{
	struct chunk *chunk = &engine->chunks[slot];

	if (!advance(chunk, result) && !may_retry(chunk, result))
		note_failure(chunk->job, result < 0 ? result : -ENODATA, chunk->read,
			     chunk->offset);
	if (chunk->offset < chunk->end && is_before_failure(chunk->job, chunk->read, chunk->offset))
		prepare(engine, slot);
	else
		put_back(engine, slot);
}

/* How many completions to wait for. Large reads each keep the device busy for a while; small ones come in crowds. */
static unsigned enough(const struct engine *engine)
{
	return engine->used_bytes < PS_READ_CHUNK ? (unsigned)(engine->flying + 1) / 2 : 1;
}

static int reap(struct engine *engine)
{
	ps_ring_done done[PS_READ_DEPTH];
	int count = -EAGAIN;

	for (int tries = 0; is_passing(count) && tries < PS_READ_RETRIES; tries++)
		count = engine->ring->wait(engine->self, enough(engine), done);
	for (int i = 0; i < count; i++) {
		if (done[i].tag >= PS_READ_DEPTH || !engine->chunks[done[i].tag].job)
			return -EPROTO;
		engine->flying--;
		complete(engine, (int)done[i].tag, done[i].result);
	}
	return count < 0 ? count : 0;
}

/* Fails all that is in flight with the ring. */
static void give_up(struct engine *engine, int err)
{
	engine->broken = err;
	engine->prepared = engine->flying = 0;
	for (int slot = 0; slot < PS_READ_DEPTH; slot++) {
		const struct chunk *chunk = &engine->chunks[slot];

		if (!chunk->job)
			continue;
		note_failure(chunk->job, err, chunk->read, chunk->offset);
		put_back(engine, slot);
	}
}

static void serve(void *self, const ps_read_feed *feed)
{
	struct engine *engine = self;

	engine->feed = feed;
	while (fill(engine)) {
		int err = submit(engine);

		if (!err && engine->flying)
			err = reap(engine);
		if (err)
			give_up(engine, err);
	}
}

/* --- life --- */

static void destroy(void *self)
{
	struct engine *engine = self;

	engine->ring->close(engine->self);
	ps_direct_close(&engine->direct);
	free(engine);
}

static int register_memory(struct engine *engine, size_t bytes)
{
	size_t count = ps_round_up(bytes, RANGE_BYTES) / RANGE_BYTES;
	struct iovec *ranges = malloc(count * sizeof *ranges);
	int err = ranges ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < count; i++) {
		ranges[i].iov_base = engine->memory + i * RANGE_BYTES;
		ranges[i].iov_len = ps_min_size(bytes - i * RANGE_BYTES, RANGE_BYTES);
	}
	if (!err)
		err = engine->ring->register_memory(engine->self, ranges, (unsigned)count);
	free(ranges);
	engine->memory_registered = !err;
	return err;
}

/* At index 2 i and 2 i + 1: file i through the cache and past it. */
static int register_files(struct engine *engine)
{
	const ps_direct_files *direct = &engine->direct;
	int *fds = malloc(2 * direct->count * sizeof *fds), err = fds ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < direct->count; i++) {
		fds[2 * i] = direct->files[i].fd;
		fds[2 * i + 1] = direct->fds[i];
	}
	if (!err)
		err = engine->ring->register_files(engine->self, fds, 2 * (unsigned)direct->count);
	free(fds);
	engine->files_registered = !err;
	return err;
}

static void describe(const struct engine *engine, int memory_err, char *text, size_t size)
{
	const ps_direct_files *direct = &engine->direct;
	char how[160], reason[48];

	if (direct->direct_count == direct->count)
		snprintf(how, sizeof how, "direct");
	else if (direct->direct_count)
		snprintf(how, sizeof how, "direct for %zu of %zu files: %s", direct->direct_count,
			 direct->count, direct->refusal);
	else
		snprintf(how, sizeof how, "buffered: %s", direct->refusal);
	if (memory_err)
		snprintf(text, size, "uring (%s, buffers not registered: %s)", how,
			 strerror_r(-memory_err, reason, sizeof reason));
	else
		snprintf(text, size, "uring (%s, registered buffers)", how);
}

int ps_engine_uring_create(ps_read_engine *out, const ps_uring_options *options)
{
	struct engine *engine = calloc(1, sizeof *engine);
	int err;

	if (!engine)
		return -ENOMEM;
	engine->ring = options->ring;
	engine->memory = options->memory;
	engine->direct_least = options->direct_least;
	while (engine->free_count < PS_READ_DEPTH) {
		engine->free_chunks[engine->free_count] = engine->free_count;
		engine->free_count++;
	}
	err = options->ring->open(&engine->self, PS_READ_DEPTH);
	if (err) {
		free(engine);
		return err;
	}
	*out = (ps_read_engine){.self = engine, .serve = serve, .destroy = destroy};
	err = ps_direct_open(&engine->direct, options->sys, options->files, options->file_count,
			     options->memory);
	if (err) {
		destroy(engine);
		return err;
	}
	(void)register_files(engine); /* a convenience: where it is refused, descriptors do */
	describe(engine, register_memory(engine, options->memory_bytes), out->text,
		 sizeof out->text);
	return 0;
}
