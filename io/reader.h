/* io/reader.h: reads ranges of files into memory while the caller computes.
 *
 * A reader is a thread in which an engine serves jobs in order. There are two engines:
 * - io_uring (io/reader_uring.c): up to PS_READ_DEPTH reads of up to PS_READ_CHUNK bytes in flight.
 *   - It reads with O_DIRECT if the file allows it, the read is large enough, and the page cache
 *     does not hold the range already (io/direct.h).
 *   - It registers files and buffers if the kernel allows it.
 *   - It submits the first chunks of a job while the last chunks of the job before are in flight.
 * - pread (io/reader_pread.c): one read after the other, through the page cache.
 * Short reads, EINTR and EAGAIN are continued. A file that ends early is ENODATA. A direct read
 * that is refused, or that stops within its first block, continues through the page cache.
 *
 * A job's states: idle -> queued -> (thread) reading -> done -> idle. Jobs, their reads and their
 * buffers belong to the caller, who leaves them alone from submit to wait. */
#ifndef PS_IO_READER_H
#define PS_IO_READER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "core/base/checked.h"
#include "io/direct.h"
#include "io/safetensors.h"

/* Medians of five interleaved runs over a file of 2 GB, on a virtual disk that gives 0.7 to 1.7
 * GB/s. depth x chunk: 32 x 1 MiB 1,445 MB/s; 64 x 1 MiB 1,563; 128 x 1 MiB 1,533; 128 x 256 KiB
 * 1,424; 32 x 4 MiB 1,643, but with twice the bytes in flight. */
#define PS_READ_CHUNK ((size_t)1 << 20)
#define PS_READ_DEPTH 64
#define PS_READ_RETRIES 1000 /* of one read that makes no progress */

/* One range to read. buffer and offset are equal modulo PS_READ_ALIGNMENT. The whole blocks that
 * the range touches belong to the buffer, because a direct read overwrites them. */
typedef struct ps_read {
	const ps_tensor_file *file;
	uint64_t offset;
	size_t bytes;
	char *buffer; /* for the byte at offset */
} ps_read;

typedef struct ps_read_failure {
	int error;       /* -errno; 0: none */
	size_t read;     /* index of the read that failed */
	uint64_t offset; /* in its file, of the first byte that was wanted and did not come */
} ps_read_failure;

/* The most bytes of a buffer, from a block boundary on, that a range of so many bytes needs. */
static inline size_t ps_read_room(size_t bytes)
{
	return ps_round_up(bytes + PS_READ_ALIGNMENT - 1, PS_READ_ALIGNMENT);
}

/* Where the byte at offset goes in a buffer that starts on a block boundary. */
static inline char *ps_read_place(char *buffer, uint64_t offset)
{
	return buffer + offset % PS_READ_ALIGNMENT;
}

/* The first block boundary at or after memory. */
static inline char *ps_read_align(char *memory)
{
	return memory +
	       (PS_READ_ALIGNMENT - (uintptr_t)memory % PS_READ_ALIGNMENT) % PS_READ_ALIGNMENT;
}

typedef struct ps_read_job {
	const ps_read *reads; /* (count) */
	size_t count;
	enum {
		PS_JOB_IDLE,
		PS_JOB_QUEUED,
		PS_JOB_DONE
	} state; /* the reader's lock guards state and next */
	struct ps_read_job *next;
	/* The engine's while the job is queued. The next byte to submit is byte `asked` of
	 * reads[at]. */
	size_t at, asked;
	int in_flight; /* chunks */
	ps_read_failure failure;
} ps_read_job;

/* Where an engine takes jobs from and returns them to, in any order. */
typedef struct ps_read_feed {
	void *context;
	/* The next job. NULL: it is time to stop, or wait is false and there is none. */
	ps_read_job *(*next)(void *context, bool wait);
	void (*finish)(void *context, ps_read_job *job);
	const atomic_bool *stop; /* once true, jobs under way are given up with -ECANCELED */
} ps_read_feed;

typedef struct ps_read_engine {
	void *self;
	/* Fills the buffers of all jobs until it is time to stop. When it returns no read is in
	 * flight, nor is one of a job that was finished. */
	void (*serve)(void *self, const ps_read_feed *feed);
	void (*destroy)(void *self);
	char text[256]; /* what it uses: "uring (direct, registered buffers)" */
} ps_read_engine;

/* One read that is submitted to a ring. */
typedef struct ps_ring_read {
	int fd; /* a descriptor, or with fd_registered the index of a registered one */
	bool fd_registered;
	int memory; /* index of the registered range that the buffer lies in; -1: none */
	void *buffer;
	unsigned bytes;
	uint64_t offset, tag;
} ps_ring_read;

/* The completion of one read. */
typedef struct ps_ring_done {
	uint64_t tag; /* of the read */
	int result;   /* bytes, or -errno */
} ps_ring_done;

/* The calls that the io_uring engine makes, through a table that a test can replace. Errors are
 * -errno. */
typedef struct ps_ring {
	/* Sets up a ring, and checks that a request goes through. */
	int (*open)(void **self, unsigned depth);
	void (*close)(void *self);
	int (*register_memory)(void *self, const struct iovec *ranges, unsigned count);
	int (*register_files)(void *self, const int *fds, unsigned count); /* fd -1: no file */
	int (*prepare)(void *self, const ps_ring_read *read);              /* -EBUSY: full */
	/* Submits the prepared reads. Returns how many of them the kernel took. */
	int (*submit)(void *self);
	/* Waits until there are `least` completions, then takes all, at most PS_READ_DEPTH. Returns
	 * their number. */
	int (*wait)(void *self, unsigned least, ps_ring_done *done);
} ps_ring;
extern const ps_ring ps_ring_linux; /* over liburing (io/ring_linux.c) */

typedef struct ps_uring_options {
	const ps_ring *ring;
	const ps_sys *sys;
	const ps_tensor_file *files; /* (file_count): all files that reads may name */
	size_t file_count;
	size_t direct_least; /* bytes of the smallest read that goes past the page cache */
	char *memory;        /* starts on a block boundary; every buffer lies in it */
	size_t memory_bytes; /* whole blocks */
} ps_uring_options;

/* Makes an io_uring engine. -errno if the kernel or its rules forbid io_uring. What the options
 * point to must outlive the engine. */
int ps_read_engine_create_uring(ps_read_engine *engine,
				const ps_uring_options *options) PS_MUST_USE;
/* Makes a pread engine. It cannot fail. */
void ps_read_engine_create_pread(ps_read_engine *engine, const ps_sys *sys);

typedef struct ps_reader ps_reader;

/* Starts the reader's thread. -errno if that fails. Takes the engine over, whatever it returns. */
int ps_reader_create(ps_reader **reader, ps_read_engine engine) PS_MUST_USE;
/* Gives up the jobs under way, drops those queued, ends the thread. NULL is allowed. */
void ps_reader_destroy(ps_reader *reader);

/* Where a job enters the queue. */
typedef enum ps_read_turn {
	PS_READ_LAST,  /* after all queued jobs */
	PS_READ_FIRST, /* before all queued jobs, after the one under way */
} ps_read_turn;

/* Queues an idle job. */
void ps_reader_submit(ps_reader *reader, ps_read_job *job, ps_read_turn turn);
/* True if a submitted job needs no waiting for. */
bool ps_reader_is_done(ps_reader *reader, ps_read_job *job);
/* Waits until a submitted job is done and makes it idle. PS_EINPUT naming file, tensor and
 * offset. */
int ps_reader_wait(ps_reader *reader, ps_read_job *job, ps_diag *diag) PS_MUST_USE;

#endif
