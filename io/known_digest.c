/* A file is read in rounds. The threads share the chunks of a round: each reads its chunk into a
 * buffer that its second-level cache holds, and sums the blocks (core/base/digest_chain.h). Then
 * the calling thread chains the sums. */
#include "io/known_digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "core/base/digest.h"
#include "core/base/digest_chain.h"
#include "io/digest_memory.h"
#include "io/file.h"

#define CHUNK_BLOCKS ((size_t)64)
#define CHUNK_BYTES (CHUNK_BLOCKS * PS_DIGEST_BLOCK)
#define ROUND_CHUNKS ((size_t)32)
#define ROUND_BLOCKS (ROUND_CHUNKS * CHUNK_BLOCKS)
#define SUMS_BYTES (ROUND_BLOCKS * PS_DIGEST_SUMS * sizeof(uint64_t))
/* Bytes that the kernel is asked for before they are read: without it a cold file comes at half the
 * disk's rate. For a cached file the question costs a tenth of the time, so it is not asked. */
#define AHEAD_BYTES ((off_t)8 << 20)
#define CACHED_RATE 3e9 /* bytes a second; what comes more slowly is not in the page cache */
#define ATTEMPTS 3      /* to read a file that changes while it is read */
#define WAIT_NS ((int64_t)20 * 1000000) /* for a state to settle, at most */
/* Internal: the file has another state than when its reading began. */
#define CHANGED 1

_Static_assert(CHUNK_BYTES > PS_DIGEST_SHORT + PS_DIGEST_STRIPE, "a chunk holds any tail");

struct reader {
	const ps_sys *sys;
	const ps_context *context;
	const char *path;
	int fd;
	char *buffers;            /* (threads, CHUNK_BYTES) */
	uint64_t *sums;           /* (ROUND_BLOCKS, PS_DIGEST_SUMS) */
	uint64_t first;           /* first block of the round */
	size_t blocks;            /* of the round */
	int failed[ROUND_CHUNKS]; /* 0 or -errno */
	bool cold;                /* the file does not come from the page cache */
	uint64_t done, total;     /* bytes, for the progress */
	ps_diag *diag;
};

static int input_failure(const struct reader *r, int rc, uint64_t offset)
{
	(void)ps_fail_errno(r->diag, -rc, "%s: cannot be read at offset %llu", r->path,
			    (unsigned long long)offset);
	return PS_EINPUT;
}

/* --- a round --- */

static void read_chunk(void *context, size_t chunk, int worker)
{
	struct reader *r = context;
	const size_t first = chunk * CHUNK_BLOCKS,
		     blocks = ps_min_size(CHUNK_BLOCKS, r->blocks - first);
	char *buffer = r->buffers + (size_t)worker * CHUNK_BYTES;

	r->failed[chunk] = ps_sys_pread_full(r->sys, r->fd, buffer, blocks * PS_DIGEST_BLOCK,
					     (off_t)((r->first + first) * PS_DIGEST_BLOCK));
	if (!r->failed[chunk])
		ps_digest_sums(buffer, blocks, r->sums + first * PS_DIGEST_SUMS);
}

static void ask_ahead(const struct reader *r)
{
	const off_t bytes = (off_t)(ROUND_BLOCKS * PS_DIGEST_BLOCK);

	(void)posix_fadvise(r->fd, (off_t)(r->first * PS_DIGEST_BLOCK) + AHEAD_BYTES, bytes,
			    POSIX_FADV_WILLNEED);
}

static int read_round(struct reader *r, ps_digest_chain *chain)
{
	const size_t chunks = ps_div_up(r->blocks, CHUNK_BLOCKS);
	const double started = ps_clock();
	ps_pool *pool = r->context ? r->context->pool : NULL;

	if (r->cold)
		ask_ahead(r);
	if (pool)
		ps_pool_run(pool, chunks, read_chunk, r);
	else
		for (size_t chunk = 0; chunk < chunks; chunk++)
			read_chunk(r, chunk, 0);
	r->cold |= (double)(r->blocks * PS_DIGEST_BLOCK) < CACHED_RATE * (ps_clock() - started);
	for (size_t chunk = 0; chunk < chunks; chunk++)
		if (r->failed[chunk] == -ENODATA)
			return CHANGED;
		else if (r->failed[chunk])
			return input_failure(r, r->failed[chunk],
					     (r->first + chunk * CHUNK_BLOCKS) * PS_DIGEST_BLOCK);
	ps_digest_chain_add(chain, r->sums, r->blocks);
	r->done += r->blocks * PS_DIGEST_BLOCK;
	if (!r->context)
		return 0;
	ps_progress_tick(r->context, "checking files", "B", r->done, r->total);
	return ps_progress_check(r->context);
}

/* --- a file --- */

/* Reads the bytes [offset, offset + bytes), at most a chunk, into the first buffer. */
static int read_piece(const struct reader *r, uint64_t offset, size_t bytes)
{
	int rc = ps_sys_pread_full(r->sys, r->fd, r->buffers, bytes, (off_t)offset);

	if (rc == -ENODATA)
		return CHANGED;
	return rc ? input_failure(r, rc, offset) : 0;
}

static int digest_bytes(struct reader *r, uint64_t bytes, uint64_t *digest)
{
	const uint64_t blocks = bytes ? ps_digest_chain_blocks(bytes) : 0;
	const size_t tail = (size_t)(bytes - blocks * PS_DIGEST_BLOCK);
	ps_digest_chain chain;
	int rc = 0;

	if (bytes <= PS_DIGEST_SHORT) {
		rc = read_piece(r, 0, (size_t)bytes);
		*digest = rc ? 0 : ps_digest_of(r->buffers, (size_t)bytes);
		return rc;
	}
	ps_digest_chain_start(&chain);
	for (r->first = 0; r->first < blocks && !rc; r->first += r->blocks) {
		r->blocks = (size_t)(blocks - r->first < ROUND_BLOCKS ? blocks - r->first
								      : ROUND_BLOCKS);
		rc = read_round(r, &chain);
	}
	if (!rc)
		rc = read_piece(r, bytes - tail - PS_DIGEST_STRIPE, PS_DIGEST_STRIPE + tail);
	if (!rc)
		*digest = ps_digest_chain_end(&chain, r->buffers, tail, bytes);
	return rc;
}

static int look(const struct reader *r, ps_file_state *state)
{
	struct stat st;
	int rc = r->sys->fstat(r->fd, &st);

	if (rc)
		return input_failure(r, rc, 0);
	*state = ps_file_state_of(&st);
	return 0;
}

/* Looks at the state before the file is read. *settled: every later write will change it. */
static int look_settled(const struct reader *r, ps_file_state *state, bool *settled)
{
	int rc = look(r, state);
	int64_t left = rc ? 0 : ps_file_state_unsettled(state, ps_file_time_now());

	if (left && left <= WAIT_NS) {
		const struct timespec pause = {.tv_nsec = (long)left};

		(void)nanosleep(&pause, NULL);
		rc = look(r, state);
		left = ps_file_state_unsettled(state, ps_file_time_now());
	}
	*settled = !left;
	return rc;
}

/* Reads the open file once. CHANGED: it has changed meanwhile. */
static int read_once(struct reader *r, ps_file_state *state, bool *settled, uint64_t *digest)
{
	ps_file_state after;
	int rc = look_settled(r, state, settled);

	if (!rc)
		rc = digest_bytes(r, state->bytes, digest);
	if (!rc)
		rc = look(r, &after);
	if (!rc && !ps_file_state_same(state, &after))
		rc = CHANGED;
	return rc;
}

static int open_file(struct reader *r, const char *path)
{
	uint64_t bytes;

	r->path = path;
	r->fd = ps_file_open(r->sys, path, &bytes, r->diag);
	return r->fd < 0 ? r->fd : 0;
}

static int read_file(struct reader *r, ps_known_file *file)
{
	ps_file_state state = {0};
	const uint64_t done = r->done;
	bool settled = false;
	int rc = open_file(r, file->path);

	if (rc)
		return rc;
	r->cold = false;
	(void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	rc = CHANGED;
	for (int i = 0; i < ATTEMPTS && rc == CHANGED; i++) {
		r->done = done;
		rc = read_once(r, &state, &settled, &file->digest);
	}
	if (rc == CHANGED)
		rc = ps_fail(r->diag, PS_EINPUT, "%s: changes while it is read", file->path);
	(void)r->sys->close(r->fd);
	if (rc)
		return rc;
	file->bytes = state.bytes;
	r->done = done + state.bytes;
	if (r->context)
		ps_progress_tick(r->context, "checking files", "B", r->done, r->total);
	if (settled)
		ps_digest_memory_keep(r->sys, file->path, &state, file->digest);
	return 0;
}

/* --- many files --- */

/* Fills in what is remembered, and adds up what is not. */
static int recall(struct reader *r, ps_known_file *file, bool trust_state)
{
	ps_file_state state;
	int rc = open_file(r, file->path);

	if (rc)
		return rc;
	rc = look(r, &state);
	(void)r->sys->close(r->fd);
	if (rc)
		return rc;
	file->bytes = state.bytes;
	file->remembered =
		trust_state && ps_digest_memory_find(r->sys, file->path, &state, &file->digest);
	if (!file->remembered)
		r->total += state.bytes;
	return 0;
}

static int read_files(struct reader *r, ps_known_file *files, size_t count)
{
	const int threads = r->context && r->context->pool ? ps_pool_threads(r->context->pool) : 1;
	int rc = 0;

	r->buffers = malloc((size_t)threads * CHUNK_BYTES);
	r->sums = malloc(SUMS_BYTES);
	if (!r->buffers || !r->sums)
		rc = ps_fail(r->diag, PS_EBUDGET, "no memory to check files");
	for (size_t i = 0; i < count && !rc; i++)
		if (!files[i].remembered)
			rc = read_file(r, &files[i]);
	free(r->buffers);
	free(r->sums);
	return rc;
}

int ps_known_digests(const ps_sys *sys, ps_known_file *files, size_t count,
		     const ps_context *context, bool trust_state, ps_diag *diag)
{
	struct reader reader = {.sys = sys, .context = context, .diag = diag};
	bool all = true;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		rc = recall(&reader, &files[i], trust_state);
		all = all && !rc && files[i].remembered;
	}
	return rc || all ? rc : read_files(&reader, files, count);
}

int ps_known_digest(const ps_sys *sys, const char *path, const ps_context *context,
		    bool trust_state, uint64_t *bytes, uint64_t *digest, ps_diag *diag)
{
	ps_known_file file = {.path = path};
	int rc = ps_known_digests(sys, &file, 1, context, trust_state, diag);

	if (rc)
		return rc;
	*bytes = file.bytes;
	*digest = file.digest;
	return 0;
}
