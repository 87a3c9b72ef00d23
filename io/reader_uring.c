/* The io_uring engine. It cuts jobs into chunks and keeps up to PS_READ_DEPTH of them in flight. A
 * chunk that a completion left unfinished is submitted again.
 *
 * For large reads it waits for one completion at a time. For small reads (rows) it waits until half
 * of those in flight have completed, then submits as many again in one call. Submitting each small
 * read by itself would cost a system call, a wake-up and a doorbell of the device, which are most
 * of its cost.
 *
 * While the last chunks of a job are in flight, it submits the first chunks of the next job. So the
 * queue of the device does not run empty between two layers.
 *
 * A job is finished once no chunk of it is in flight, because the kernel writes into the caller's
 * buffers until then. A ring that itself fails cannot tell this; it is not used again.
 *
 * A chunk covers [offset, end) of a file. A direct read takes the whole blocks around that range,
 * so it reads `lead` bytes before offset as well. The same happens when a short read is continued
 * inside a block. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/checked.h"
#include "io/reader.h"

#define RANGE_BYTES ((size_t)1 << 30) /* the most bytes that the kernel registers as one range */
#define ASK_EVERY 16                  /* small reads per question to the page cache (is_cached) */

struct chunk {
	ps_read_job *job;     /* NULL: not in use */
	size_t read;          /* index in the job */
	uint64_t offset, end; /* in the file */
	char *buffer;         /* where the byte at offset goes */
	size_t bytes;         /* of the whole chunk */
	bool direct;          /* read past the page cache */
	unsigned lead;        /* bytes that the request under way reads before offset */
	int retries;
};

struct engine {
	const ps_ring *ring;
	void *self;
	ps_direct_files direct;
	char *memory;
	bool files_registered, memory_registered;
	const ps_read_feed *feed;
	ps_read_job *current; /* the job that chunks are cut off; NULL: none */
	struct chunk chunks[PS_READ_DEPTH];
	int free_chunks[PS_READ_DEPTH], free_count;
	size_t direct_least;
	unsigned unasked;  /* small reads until the next question to the page cache */
	bool cached;       /* its last answer */
	size_t used_bytes; /* of the chunks in use */
	int prepared;      /* reads that the ring knows and the kernel does not */
	int flying;        /* reads that the kernel knows */
	int broken;        /* -errno once the ring itself failed */
};

/* --- jobs --- */

/* True if no read has failed yet, or only one further on. The error then names the first bad offset
 * whatever order reads complete in. */
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

/* Finishes a job of which no chunk is in flight, and none will be: all are submitted, or it
 * failed. */
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

/* The registered range that a buffer lies in. -1: in none, or across two. */
static int find_range(const struct engine *engine, const char *buffer, size_t bytes)
{
	size_t first = (size_t)(buffer - engine->memory), last = first + bytes - 1;

	if (!engine->memory_registered || first / RANGE_BYTES != last / RANGE_BYTES)
		return -1;
	return (int)(first / RANGE_BYTES);
}

/* Prepares the read of the rest of a chunk. */
static void prepare(struct engine *engine, int slot)
{
	struct chunk *chunk = &engine->chunks[slot];
	const ps_tensor_file *file = chunk->job->reads[chunk->read].file;
	size_t index = (size_t)(file - engine->direct.files), bytes;
	ps_ring_read request;
	int rc;

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
	rc = engine->ring->prepare(engine->self, &request);
	if (!rc) {
		engine->prepared++;
		return;
	}
	note_failure(chunk->job, rc, chunk->read, chunk->offset);
	put_back(engine, slot);
}

/* True if the page cache holds the range; then reading it from there spares the device. The
 * question is a system call. So only one small read in ASK_EVERY is asked about, and its answer
 * serves for those after it. */
static bool is_cached(struct engine *engine, const ps_tensor_file *file, uint64_t offset,
		      size_t bytes)
{
	if (bytes >= PS_DIRECT_LEAST || !engine->unasked--) {
		engine->cached = ps_direct_is_cached(engine->direct.sys, file, offset, bytes);
		engine->unasked = ASK_EVERY - 1;
	}
	return engine->cached;
}

/* Cuts the next chunk off a job. It ends on a block boundary of the file, or where its read
 * ends. */
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

/* True if a job has more to submit. Fails the job if the ring is broken or it is time to stop. */
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

/* Cuts chunks off the jobs while there are free slots. Waits for a job only if nothing is in
 * flight. False: nothing is in flight and it is time to stop. */
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

static bool is_passing(int rc)
{
	return rc == -EINTR || rc == -EAGAIN || rc == -EBUSY;
}

static void pause_briefly(void)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	nanosleep(&pause, NULL);
}

/* Hands the prepared reads to the kernel. If the kernel refuses for the moment while reads are in
 * flight, it returns: their completions may make room. */
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

/* Moves a chunk on by the bytes that a request brought. False: it brought none. */
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

/* True if a chunk that did not move on may be submitted again: unchanged after a passing error, or
 * through the page cache if a direct read was refused or ended within a block, as at the end of a
 * file. */
static bool may_retry(struct chunk *chunk, int result)
{
	if (is_passing(result))
		return ++chunk->retries < PS_READ_RETRIES;
	if (!chunk->direct || (result < 0 && result != -EINVAL && result != -EOPNOTSUPP))
		return false;
	chunk->direct = false;
	return true;
}

/* Handles one completion: the chunk is done, is submitted again, or fails. */
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

/* How many completions to wait for: one of large reads, half of those in flight of small reads. */
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

/* Fails all chunks in use, because the ring itself failed. */
static void give_up(struct engine *engine, int rc)
{
	engine->broken = rc;
	engine->prepared = engine->flying = 0;
	for (int slot = 0; slot < PS_READ_DEPTH; slot++) {
		const struct chunk *chunk = &engine->chunks[slot];

		if (!chunk->job)
			continue;
		note_failure(chunk->job, rc, chunk->read, chunk->offset);
		put_back(engine, slot);
	}
}

static void serve(void *self, const ps_read_feed *feed)
{
	struct engine *engine = self;

	engine->feed = feed;
	while (fill(engine)) {
		int rc = submit(engine);

		if (!rc && engine->flying)
			rc = reap(engine);
		if (rc)
			give_up(engine, rc);
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
	size_t count = ps_div_up(bytes, RANGE_BYTES);
	struct iovec *ranges = malloc(count * sizeof *ranges);
	int rc = ranges ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < count; i++) {
		ranges[i].iov_base = engine->memory + i * RANGE_BYTES;
		ranges[i].iov_len = ps_min_size(bytes - i * RANGE_BYTES, RANGE_BYTES);
	}
	if (!rc)
		rc = engine->ring->register_memory(engine->self, ranges, (unsigned)count);
	free(ranges);
	engine->memory_registered = !rc;
	return rc;
}

/* Registers file i at index 2 i (through the page cache) and 2 i + 1 (past it). */
static int register_files(struct engine *engine)
{
	const ps_direct_files *direct = &engine->direct;
	int *fds = malloc(2 * direct->count * sizeof *fds), rc = fds ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < direct->count; i++) {
		fds[2 * i] = direct->files[i].fd;
		fds[2 * i + 1] = direct->fds[i];
	}
	if (!rc)
		rc = engine->ring->register_files(engine->self, fds, 2 * (unsigned)direct->count);
	free(fds);
	engine->files_registered = !rc;
	return rc;
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

int ps_read_engine_create_uring(ps_read_engine *out, const ps_uring_options *options)
{
	struct engine *engine = calloc(1, sizeof *engine);
	int rc;

	if (!engine)
		return -ENOMEM;
	engine->ring = options->ring;
	engine->memory = options->memory;
	engine->direct_least = options->direct_least;
	while (engine->free_count < PS_READ_DEPTH) {
		engine->free_chunks[engine->free_count] = engine->free_count;
		engine->free_count++;
	}
	rc = options->ring->open(&engine->self, PS_READ_DEPTH);
	if (rc) {
		free(engine);
		return rc;
	}
	*out = (ps_read_engine){.self = engine, .serve = serve, .destroy = destroy};
	rc = ps_direct_open(&engine->direct, options->sys, options->files, options->file_count,
			    options->memory);
	if (rc) {
		destroy(engine);
		return rc;
	}
	(void)register_files(engine); /* if it is refused, plain descriptors serve as well */
	describe(engine, register_memory(engine, options->memory_bytes), out->text,
		 sizeof out->text);
	return 0;
}
