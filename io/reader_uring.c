/* The io_uring engine: reads are cut into chunks, up to PS_READ_DEPTH of them in flight; what a completion left
 * unread goes in again. Everything in flight has come back before run returns, because the kernel writes into
 * the caller's buffers until then; only a ring that fails itself cannot say so, and is not used again. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core/checked.h"
#include "io/reader.h"

struct chunk {
	size_t read;     /* index */
	uint64_t offset; /* in the file */
	size_t bytes;
	char *buffer;
	int retries;
};

struct engine {
	const ps_ring *ring;
	void *self;
	struct chunk chunks[PS_READ_DEPTH];
	int free_chunks[PS_READ_DEPTH], free_count;
	int prepared, flying; /* known to the ring but not the kernel; known to the kernel */
	int broken;           /* -errno: the ring itself failed */
};

/* One run's position. */
struct cursor {
	const ps_read *reads;
	size_t count, at, done; /* next byte to ask for: done of reads[at] */
	ps_read_failure *failure;
};

static void note_failure(struct cursor *cursor, int error, size_t read, uint64_t offset)
{
	if (!cursor->failure->error)
		*cursor->failure = (ps_read_failure){.error = error, .read = read, .offset = offset};
}

static void put_back(struct engine *engine, int slot)
{
	engine->free_chunks[engine->free_count++] = slot;
}

/* Prepares the read of what is left of a chunk. */
static void prepare(struct engine *engine, struct cursor *cursor, int slot)
{
	const struct chunk *chunk = &engine->chunks[slot];
	int err = engine->ring->prepare(engine->self, cursor->reads[chunk->read].file->fd, chunk->buffer, (unsigned)chunk->bytes,
					chunk->offset, (uint64_t)slot);

	if (!err) {
		engine->prepared++;
		return;
	}
	note_failure(cursor, err, chunk->read, chunk->offset);
	put_back(engine, slot);
}

/* Cuts chunks off the reads while there are slots for them. */
static void fill(struct engine *engine, struct cursor *cursor)
{
	while (engine->free_count && cursor->at < cursor->count) {
		const ps_read *read = &cursor->reads[cursor->at];
		int slot;

		if (cursor->done == read->bytes) {
			cursor->at++;
			cursor->done = 0;
			continue;
		}
		slot = engine->free_chunks[--engine->free_count];
		engine->chunks[slot] = (struct chunk){
			.read = cursor->at,
			.offset = read->offset + cursor->done,
			.bytes = ps_min_size(read->bytes - cursor->done, PS_READ_CHUNK),
			.buffer = read->buffer + cursor->done,
		};
		cursor->done += engine->chunks[slot].bytes;
		prepare(engine, cursor, slot);
	}
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

/* Takes account of one completion: the chunk is done, goes in again, or fails. */
static void complete(struct engine *engine, struct cursor *cursor, int slot, int result)
{
	struct chunk *chunk = &engine->chunks[slot];

	if (result > 0) {
		size_t got = ps_min_size((size_t)result, chunk->bytes);

		chunk->offset += got;
		chunk->buffer += got;
		chunk->bytes -= got;
		chunk->retries = 0;
	} else if (!is_passing(result) || ++chunk->retries >= PS_READ_RETRIES) {
		note_failure(cursor, result ? result : -ENODATA, chunk->read, chunk->offset);
	}
	if (chunk->bytes && !cursor->failure->error)
		prepare(engine, cursor, slot);
	else
		put_back(engine, slot);
}

static int reap(struct engine *engine, struct cursor *cursor)
{
	for (int tries = 0; tries < PS_READ_RETRIES; tries++) {
		uint64_t tag;
		int result, err = engine->ring->wait(engine->self, &tag, &result);

		if (err && !is_passing(err))
			return err;
		if (err)
			continue;
		if (tag >= PS_READ_DEPTH)
			return -EPROTO;
		engine->flying--;
		complete(engine, cursor, (int)tag, result);
		return 0;
	}
	return -EAGAIN;
}

static int run(void *self, const ps_read *reads, size_t count, const atomic_bool *stop, ps_read_failure *failure)
{
	struct engine *engine = self;
	struct cursor cursor = {.reads = reads, .count = count, .failure = failure};

	while (!engine->broken) {
		if (atomic_load_explicit(stop, memory_order_relaxed))
			note_failure(&cursor, -ECANCELED, 0, 0);
		if (!failure->error)
			fill(engine, &cursor);
		if (!engine->prepared && !engine->flying)
			break;
		engine->broken = submit(engine);
		if (!engine->broken && engine->flying)
			engine->broken = reap(engine, &cursor);
	}
	if (engine->broken)
		note_failure(&cursor, engine->broken, 0, reads[0].offset);
	return failure->error;
}

static void destroy(void *self)
{
	struct engine *engine = self;

	engine->ring->close(engine->self);
	free(engine);
}

int ps_engine_uring_create(ps_read_engine *out, const ps_ring *ring)
{
	struct engine *engine = calloc(1, sizeof *engine);
	int err;

	if (!engine)
		return -ENOMEM;
	engine->ring = ring;
	for (int i = 0; i < PS_READ_DEPTH; i++)
		put_back(engine, i);
	err = ring->open(&engine->self, PS_READ_DEPTH);
	if (err) {
		free(engine);
		return err;
	}
	*out = (ps_read_engine){.self = engine, .run = run, .destroy = destroy};
	return 0;
}
