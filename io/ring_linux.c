/* The table of ring calls, over liburing. */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>

#include "io/reader.h"

static int ring_submit(void *self)
{
	return io_uring_submit(self);
}

static int ring_wait(void *self, unsigned least, ps_ring_done *done)
{
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;
	int rc = io_uring_wait_cqe_nr(self, &cqe, least);

	if (rc)
		return rc;
	io_uring_for_each_cqe((struct io_uring *)self, head, cqe)
	{
		if (count == PS_READ_DEPTH)
			break;
		done[count++] =
			(ps_ring_done){.tag = io_uring_cqe_get_data64(cqe), .result = cqe->res};
	}
	io_uring_cq_advance(self, count);
	return (int)count;
}

static bool is_passing(int rc)
{
	return rc == -EINTR || rc == -EAGAIN;
}

/* Runs a request that does nothing. Some sandboxes allow io_uring_setup but not io_uring_enter. */
static int probe(struct io_uring *ring)
{
	ps_ring_done done[PS_READ_DEPTH];
	int rc = -EAGAIN;

	io_uring_prep_nop(io_uring_get_sqe(ring));
	for (int tries = 0; is_passing(rc) && tries < PS_READ_RETRIES; tries++)
		rc = io_uring_submit(ring);
	if (rc < 0)
		return rc;
	rc = -EAGAIN;
	for (int tries = 0; is_passing(rc) && tries < PS_READ_RETRIES; tries++)
		rc = ring_wait(ring, 1, done);
	return rc < 0 ? rc : done[0].result;
}

static int ring_open(void **self, unsigned depth)
{
	struct io_uring *ring = malloc(sizeof *ring);
	int rc = ring ? io_uring_queue_init(depth, ring, IORING_SETUP_COOP_TASKRUN) : -ENOMEM;

	/* Linux before 5.19 does not know the flag. There a completion interrupts the reader's
	 * thread. */
	if (rc == -EINVAL)
		rc = io_uring_queue_init(depth, ring, 0);
	if (rc) {
		free(ring);
		return rc;
	}
	rc = probe(ring);
	if (rc) {
		io_uring_queue_exit(ring);
		free(ring);
		return rc;
	}
	*self = ring;
	return 0;
}

static void ring_close(void *self)
{
	io_uring_queue_exit(self);
	free(self);
}

static int ring_register_memory(void *self, const struct iovec *ranges, unsigned count)
{
	return io_uring_register_buffers(self, ranges, count);
}

static int ring_register_files(void *self, const int *fds, unsigned count)
{
	return io_uring_register_files(self, fds, count);
}

static int ring_prepare(void *self, const ps_ring_read *read)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(self);

	if (!sqe)
		return -EBUSY;
	if (read->memory < 0)
		io_uring_prep_read(sqe, read->fd, read->buffer, read->bytes, read->offset);
	else
		io_uring_prep_read_fixed(sqe, read->fd, read->buffer, read->bytes, read->offset,
					 read->memory);
	if (read->fd_registered)
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data64(sqe, read->tag);
	return 0;
}

const ps_ring ps_ring_linux = {
	.open = ring_open,
	.close = ring_close,
	.register_memory = ring_register_memory,
	.register_files = ring_register_files,
	.prepare = ring_prepare,
	.submit = ring_submit,
	.wait = ring_wait,
};
