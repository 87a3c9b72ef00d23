/* io/reader.h: reading ranges of files into memory while the caller computes.
 *
 * A reader is a thread in which an engine serves jobs in order. Engines: io_uring (PS_READ_DEPTH reads of up to
 * PS_READ_CHUNK in flight; O_DIRECT where the file allows it, the read is not too small and the page cache does not
 * hold it already; registered files and buffers where the kernel allows them; the first chunks of a job are asked for
 * while the last of the one before are still in flight) and pread (one after the other, through the cache). Short
 * reads, EINTR and EAGAIN are continued; end of file early is ENODATA. A direct read that is refused or stops within
 * its first block goes on through the cache.
 *
 * A job's states: idle -> queued -> (thread) reading -> done -> idle. Jobs, their reads and buffers are the
 * caller's and stay as they are from submit to wait. */
#ifndef PS_IO_READER_H
#define PS_IO_READER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "io/direct.h"
#include "io/safetensors.h"

/* Median of five interleaved runs over a file of 2 GB on a virtual disk that gives 0.7 to 1.7 GB/s: 32 x 1 MiB 1,445
 * MB/s, 64 x 1 MiB 1,563, 128 x 1 MiB 1,533, 128 x 256 KiB 1,424, 32 x 4 MiB 1,643 (but twice the bytes in flight). */
#define PS_READ_CHUNK ((size_t)1 << 20)
#define PS_READ_DEPTH 64
#define PS_READ_RETRIES 1000 /* of one read that makes no progress */

/* buffer and offset agree modulo PS_READ_ALIGNMENT, and the whole blocks that the range touches belong to the
 * buffer: a direct read overwrites them. */
typedef struct ps_read {
	const ps_safetensors *file;
	uint64_t offset;
	size_t bytes;
	char *buffer;
} ps_read;

typedef struct ps_read_failure {
	int error;       /* -errno; 0: none */
	size_t read;     /* index of the read that failed */
	uint64_t offset; /* in its file, of the first byte wanted and not got */
} ps_read_failure;

/* The most that a range of so many bytes takes of a buffer that starts on a block. */
static inline size_t ps_read_room(size_t bytes)
{
	return (bytes + 2 * PS_READ_ALIGNMENT - 2) / PS_READ_ALIGNMENT * PS_READ_ALIGNMENT;
}

/* Where the byte at offset goes in a buffer that starts on a block. */
static inline char *ps_read_place(char *buffer, uint64_t offset)
{
	return buffer + offset % PS_READ_ALIGNMENT;
}

typedef struct ps_read_job {
	const ps_read *reads;
	size_t count;
	enum {
		PS_JOB_IDLE,
		PS_JOB_QUEUED,
		PS_JOB_DONE
	} state; /* under the reader's lock, as is next */
	struct ps_read_job *next;
	/* The engine's, while queued: the next byte to ask for is `asked` of reads[at]. */
	size_t at, asked;
	int in_flight;
	ps_read_failure failure;
} ps_read_job;

/* Where an engine takes jobs from and returns them to, in any order. */
typedef struct ps_read_feed {
	void *context;
	ps_read_job *(*next)(void *context,
			     bool wait); /* NULL: time to stop, or none when it need not wait */
	void (*finish)(void *context, ps_read_job *job);
	const atomic_bool *stop; /* once set, what is begun is given up (-ECANCELED) */
} ps_read_feed;

typedef struct ps_read_engine {
	void *self;
	/* Fills the buffers of all jobs until it is time to stop. No read is in flight when it returns, nor for a
	 * job that was finished. */
	void (*serve)(void *self, const ps_read_feed *feed);
	void (*destroy)(void *self);
	char text[256]; /* what it uses: "uring (direct, registered buffers)" */
} ps_read_engine;

/* One read asked of a ring. */
typedef struct ps_ring_read {
	int fd; /* or, when fd_registered, the index of a registered one */
	bool fd_registered;
	int memory; /* index of the registered range that the buffer lies in; -1: none */
	void *buffer;
	unsigned bytes;
	uint64_t offset, tag;
} ps_ring_read;

/* What became of one. */
typedef struct ps_ring_done {
	uint64_t tag;
	int result; /* bytes, or -errno */
} ps_ring_done;

/* The calls that the io_uring engine makes, through a table that a test can replace. Errors are -errno. */
typedef struct ps_ring {
	int (*open)(void **self, unsigned depth); /* and sees that a request goes through */
	void (*close)(void *self);
	int (*register_memory)(void *self, const struct iovec *ranges, unsigned count);
	int (*register_files)(void *self, const int *fds,
			      unsigned count);                /* -1: none at that index */
	int (*prepare)(void *self, const ps_ring_read *read); /* -EBUSY: full */
	int (*submit)(void *self); /* the number taken of those prepared */
	/* Takes the completions that are there, at most PS_READ_DEPTH, once there are `least` of them; their number. */
	int (*wait)(void *self, unsigned least, ps_ring_done *done);
} ps_ring;
extern const ps_ring ps_ring_linux;

typedef struct ps_uring_options {
	const ps_ring *ring;
	const ps_sys *sys;
	const ps_safetensors *files; /* (file_count): every file that is read */
	size_t file_count;
	size_t direct_least; /* bytes of the smallest read that goes past the page cache */
	char *memory;        /* from a block boundary on, whole blocks: every buffer lies in it */
	size_t memory_bytes;
} ps_uring_options;

/* -errno when the kernel or its rules forbid io_uring. What the options point to outlives the engine. */
int ps_engine_uring_create(ps_read_engine *engine, const ps_uring_options *options) PS_MUST_USE;
int ps_engine_pread_create(ps_read_engine *engine, const ps_sys *sys) PS_MUST_USE;

typedef struct ps_reader ps_reader;

/* Takes the engine over, whatever it returns. */
int ps_reader_create(ps_reader **reader, ps_read_engine engine) PS_MUST_USE;
/* Stops the job under way, drops those queued. NULL allowed. */
void ps_reader_destroy(ps_reader *reader);

/* urgent: before the jobs that are queued, after the one under way. */
void ps_reader_submit(ps_reader *reader, ps_read_job *job, bool urgent);
bool ps_reader_is_done(ps_reader *reader, ps_read_job *job);
/* Waits until a submitted job is done and makes it idle. PS_EINPUT naming file, tensor and offset. */
int ps_reader_wait(ps_reader *reader, ps_read_job *job, ps_diag *diag) PS_MUST_USE;

#endif
