/* io/reader.h: reading ranges of files into memory while the caller computes.
 *
 * An engine reads one job at a time and blocks until it is done; a reader is a thread that hands it jobs in
 * order. Engines: io_uring (32 reads of up to 1 MiB in flight) and pread (one after the other). Short reads,
 * EINTR and EAGAIN are continued; end of file early is ENODATA.
 *
 * A job's states: idle -> queued -> (thread) reading -> done -> idle. Jobs, their reads and buffers are the
 * caller's and stay as they are from submit to wait. */
#ifndef PS_IO_READER_H
#define PS_IO_READER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "io/safetensors.h"

#define PS_READ_ALIGNMENT 1 /* that engines ask of offsets, sizes and buffers (4,096 would suit O_DIRECT) */
#define PS_READ_CHUNK ((size_t)1 << 20)
#define PS_READ_DEPTH 32
#define PS_READ_RETRIES 1000 /* of one read that makes no progress */

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

typedef struct ps_read_engine {
	void *self;
	/* Fills every buffer. Gives up early once *stop is set (-ECANCELED); returns failure->error. No read is
	 * in flight when it returns. */
	int (*run)(void *self, const ps_read *reads, size_t count, const atomic_bool *stop, ps_read_failure *failure);
	void (*destroy)(void *self);
} ps_read_engine;

/* -errno when the kernel or its rules forbid io_uring. */
typedef struct ps_ring ps_ring;
int ps_engine_uring_create(ps_read_engine *engine, const ps_ring *ring) PS_MUST_USE;
int ps_engine_pread_create(ps_read_engine *engine, const ps_sys *sys) PS_MUST_USE;

/* The calls that the io_uring engine makes, through a table that a test can replace. Errors are -errno. */
struct ps_ring {
	int (*open)(void **self, unsigned depth); /* and sees that a request goes through */
	void (*close)(void *self);
	int (*prepare)(void *self, int fd, void *buffer, unsigned bytes, uint64_t offset, uint64_t tag); /* -EBUSY: full */
	int (*submit)(void *self);                                 /* the number taken of those prepared */
	int (*wait)(void *self, uint64_t *tag, int *result);       /* takes one completion */
};
extern const ps_ring ps_ring_linux;

typedef struct ps_read_job {
	const ps_read *reads;
	size_t count;
	enum { PS_JOB_IDLE, PS_JOB_QUEUED, PS_JOB_DONE } state; /* under the reader's lock */
	ps_read_failure failure;
	struct ps_read_job *next;
} ps_read_job;

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
