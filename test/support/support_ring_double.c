#include "test/support/support_ring_double.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FDS 1024
#define REGISTERED 64

struct ring_faults ring_fault;

static bool is_direct[FDS];

static struct {
	ps_ring_read prepared[PS_READ_DEPTH], flying[PS_READ_DEPTH];
	int prepared_count, flying_count, most_flying;
	int fds[REGISTERED];
	unsigned fd_count;
	struct iovec memory[REGISTERED];
	unsigned memory_count;
} ring;

void ring_double_reset(void)
{
	memset((void *)&ring_fault, 0, sizeof ring_fault);
	ring_fault.rng = ps_rng_make(1, 0);
}

int ring_double_most_flying(void)
{
	return ring.most_flying;
}

void ring_double_abandon(void)
{
	ring.flying_count = ring.prepared_count = 0;
}

/* --- the ring --- */

static int fake_open(void **self, unsigned depth)
{
	assert_int_equal(depth, PS_READ_DEPTH);
	memset(&ring, 0, sizeof ring);
	*self = &ring;
	return ring_fault.open_error;
}

static void fake_close(void *self)
{
	assert_ptr_equal(self, &ring);
	assert_int_equal(ring.flying_count + ring.prepared_count, 0);
}

static int fake_register_memory(void *self, const struct iovec *ranges, unsigned count)
{
	assert_ptr_equal(self, &ring);
	if (ring_fault.memory_error)
		return ring_fault.memory_error;
	assert_in_range(count, 1, REGISTERED);
	memcpy(ring.memory, ranges, count * sizeof *ranges);
	ring.memory_count = count;
	return 0;
}

static int fake_register_files(void *self, const int *fds, unsigned count)
{
	assert_ptr_equal(self, &ring);
	if (ring_fault.files_error)
		return ring_fault.files_error;
	assert_in_range(count, 1, REGISTERED);
	memcpy(ring.fds, fds, count * sizeof *fds);
	ring.fd_count = count;
	return 0;
}

/* Fails the test for a request that the kernel would refuse. */
static void check_request(const ps_ring_read *read, int fd)
{
	const char *at = read->buffer;

	assert_in_range(fd, 0, FDS - 1);
	assert_true(read->bytes > 0);
	if (read->memory >= 0) {
		const struct iovec *range = &ring.memory[read->memory];

		assert_true(read->memory < (int)ring.memory_count);
		assert_true(at >= (char *)range->iov_base &&
			    at + read->bytes <= (char *)range->iov_base + range->iov_len);
	}
	if (!is_direct[fd])
		return;
	assert_int_equal((uintptr_t)at % PS_READ_ALIGNMENT, 0);
	assert_int_equal(read->bytes % PS_READ_ALIGNMENT, 0);
	assert_int_equal(read->offset % PS_READ_ALIGNMENT, 0);
}

static int fake_prepare(void *self, const ps_ring_read *read)
{
	ps_ring_read kept = *read;

	assert_ptr_equal(self, &ring);
	if (ring.prepared_count + ring.flying_count == PS_READ_DEPTH)
		return -EBUSY;
	if (read->fd_registered) {
		assert_in_range(read->fd, 0, ring.fd_count - 1);
		kept.fd = ring.fds[read->fd];
	}
	check_request(read, kept.fd);
	ring.prepared[ring.prepared_count++] = kept;
	return 0;
}

/* Takes all prepared reads, or one less when shortening. */
static int fake_submit(void *self)
{
	int taken = ring.prepared_count;

	(void)self;
	ring_fault.submits++;
	if (ring_fault.refuse_every && ring_fault.submits % ring_fault.refuse_every == 0)
		return -EAGAIN;
	if (ring_fault.shorten && taken > 1)
		taken--;
	memcpy(ring.flying + ring.flying_count, ring.prepared, (size_t)taken * sizeof *ring.flying);
	memmove(ring.prepared, ring.prepared + taken,
		(size_t)(ring.prepared_count - taken) * sizeof *ring.prepared);
	ring.prepared_count -= taken;
	ring.flying_count += taken;
	if (ring.flying_count > ring.most_flying)
		ring.most_flying = ring.flying_count;
	return taken;
}

/* The bytes of a transfer: up to the end of the file as planned, and fewer when shortening. */
static size_t limit(size_t bytes, uint64_t offset)
{
	if (ring_fault.shorten && bytes)
		bytes = 1 + ps_rng_below(&ring_fault.rng, bytes);
	if (ring_fault.file_end && offset + bytes > ring_fault.file_end)
		bytes = offset < ring_fault.file_end ? (size_t)(ring_fault.file_end - offset) : 0;
	return bytes;
}

/* The planned error, or end of file, of the n-th transfer. 1: none. */
static int planned(int n)
{
	if (ring_fault.stuck || n == ring_fault.fail_at)
		return ring_fault.stuck ? ring_fault.stuck : ring_fault.fail_with;
	if (n == ring_fault.end_at)
		return 0;
	if (ring_fault.refuse_every && n % ring_fault.refuse_every == 0)
		return n % 2 ? -EAGAIN : -EINTR;
	return 1;
}

static int fake_result(const ps_ring_read *read)
{
	int result = planned(++ring_fault.completions);

	ring_fault.registered_completions += read->memory >= 0;
	if (result <= 0)
		return result;
	if (is_direct[read->fd] && ring_fault.refuse_direct_every &&
	    (ring_fault.direct_completions + 1) % ring_fault.refuse_direct_every == 0) {
		ring_fault.direct_completions++;
		return -EINVAL;
	}
	ring_fault.direct_completions += is_direct[read->fd];
	return (int)pread(read->fd, read->buffer, limit(read->bytes, read->offset),
			  (off_t)read->offset);
}

static void take_one(ps_ring_done *done)
{
	int at = ring_fault.shuffle
			 ? (int)ps_rng_below(&ring_fault.rng, (uint64_t)ring.flying_count)
			 : 0;

	*done = (ps_ring_done){.tag = ring.flying[at].tag, .result = fake_result(&ring.flying[at])};
	ring.flying_count--;
	memmove(ring.flying + at, ring.flying + at + 1,
		(size_t)(ring.flying_count - at) * sizeof *ring.flying);
}

/* Gives as many completions as are wanted, and some more when shuffling. */
static int fake_wait(void *self, unsigned least, ps_ring_done *done)
{
	unsigned count = least;

	(void)self;
	if (ring_fault.break_at && ++ring_fault.waits >= ring_fault.break_at)
		return -EBADF;
	if ((unsigned)ring.flying_count < least || !least)
		return -EIO; /* the kernel would wait forever */
	if (ring_fault.shuffle)
		count += (unsigned)ps_rng_below(&ring_fault.rng,
						(uint64_t)ring.flying_count - least + 1);
	for (unsigned i = 0; i < count; i++)
		take_one(&done[i]);
	return (int)count;
}

const ps_ring ring_double = {
	.open = fake_open,
	.close = fake_close,
	.register_memory = fake_register_memory,
	.register_files = fake_register_files,
	.prepare = fake_prepare,
	.submit = fake_submit,
	.wait = fake_wait,
};

/* --- the system --- */

static int sys_open(const char *path, int flags, mode_t mode)
{
	int fd;

	if (flags & O_DIRECT && ring_fault.direct_open_error)
		return ring_fault.direct_open_error;
	fd = ps_sys_linux.open(path, flags & ~O_DIRECT, mode);
	if (fd >= 0) {
		assert_true(fd < FDS);
		is_direct[fd] = flags & O_DIRECT;
		ring_fault.direct_open += is_direct[fd];
	}
	return fd;
}

static int sys_close(int fd)
{
	ring_fault.direct_open -= is_direct[fd];
	is_direct[fd] = false;
	return ps_sys_linux.close(fd);
}

static int sys_fstat(int fd, struct stat *st)
{
	int rc = ps_sys_linux.fstat(fd, st);

	st->st_ino += ring_fault.direct_is_another && is_direct[fd];
	return rc;
}

static ssize_t sys_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	int result;

	if (is_direct[fd]) {
		assert_int_equal(((uintptr_t)buffer | bytes | (size_t)offset) % PS_READ_ALIGNMENT,
				 0);
		if (ring_fault.direct_probe_error)
			return ring_fault.direct_probe_error;
		return ps_sys_linux.pread(fd, buffer, bytes, offset);
	}
	result = planned(++ring_fault.preads);
	if (result <= 0)
		return result;
	return ps_sys_linux.pread(fd, buffer, limit(bytes, (uint64_t)offset), offset);
}

static int sys_mincore(const void *address, size_t bytes, unsigned char *resident)
{
	if (ring_fault.cached == RD_NOT_TOLD)
		return -ENOMEM;
	for (size_t i = 0; i < (bytes + 4095) / 4096; i++)
		resident[i] = ring_fault.cached == RD_ALL_CACHED ||
			      (ring_fault.cached == RD_SOME_CACHED &&
			       ((uintptr_t)address + i * 4096) >> 20 & 1);
	return 0;
}

const ps_sys ring_double_sys = {
	.open = sys_open,
	.close = sys_close,
	.pread = sys_pread,
	.fstat = sys_fstat,
	.mincore = sys_mincore,
};
