/* io/ring_linux: the real io_uring. Reads come back by their tags, more completions than asked for
 * wait for the next call, and what the kernel refuses is -errno. Where the kernel has no io_uring,
 * the tests are skipped. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/reader.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_sys_double.h"

static char scratch[256], path[300];
/* io_uring_submit fails so often with this error before it submits. */
static int refusals, refusal;
static int file;
static void *ring;

/* Takes the place of liburing's own. */
int io_uring_submit(struct io_uring *self)
{
	int (*real)(struct io_uring *) = dlsym(RTLD_NEXT, "io_uring_submit");

	assert_non_null(real);
	return refusals > 0 && refusals-- ? -refusal : real(self);
}

static int set_up(void **state)
{
	(void)state;
	refusals = 0;
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/file", scratch);
	if (ps_file_replace(&ps_sys_linux, path, "0123456789abcdef", 16, NULL))
		return -1;
	file = open(path, O_RDONLY);
	ring = NULL;
	(void)ps_ring_linux.open(&ring, 2 * PS_READ_DEPTH);
	return file < 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (ring)
		ps_ring_linux.close(ring);
	close(file);
	scratch_remove(scratch);
	return 0;
}

static void need_ring(void)
{
	if (!ring)
		skip();
}

static void prepare(unsigned i, char *byte)
{
	const ps_ring_read read = {
		.fd = file, .memory = -1, .buffer = byte, .bytes = 1, .offset = i % 16, .tag = i};

	assert_int_equal(ps_ring_linux.prepare(ring, &read), 0);
}

static void completions_beyond_a_batch_wait(void **state)
{
	enum { READS = PS_READ_DEPTH + 9 };
	ps_ring_done done[PS_READ_DEPTH];
	char bytes[READS];
	bool seen[READS] = {false};
	int count = 0;

	(void)state;
	need_ring();
	for (unsigned i = 0; i < READS; i++)
		prepare(i, &bytes[i]);
	assert_int_equal(ps_ring_linux.submit(ring), READS);
	while (count < READS) {
		int got = ps_ring_linux.wait(ring, 1, done);

		assert_true(got > 0 && got <= PS_READ_DEPTH);
		for (int i = 0; i < got; i++) {
			assert_int_equal(done[i].result, 1);
			assert_true(done[i].tag < READS && !seen[done[i].tag]);
			seen[done[i].tag] = true;
		}
		count += got;
	}
	for (unsigned i = 0; i < READS; i++)
		assert_int_equal(bytes[i], "0123456789abcdef"[i % 16]);
}

static void registered_files_and_memory_are_read_into(void **state)
{
	static char memory[4096];
	const struct iovec range = {memory, sizeof memory};
	const ps_ring_read read = {.fd = 0,
				   .fd_registered = true,
				   .memory = 0,
				   .buffer = memory + 100,
				   .bytes = 4,
				   .offset = 10,
				   .tag = 7};
	ps_ring_done done[PS_READ_DEPTH];

	(void)state;
	need_ring();
	if (ps_ring_linux.register_memory(ring, &range, 1) ||
	    ps_ring_linux.register_files(ring, &file, 1))
		skip(); /* no memory may be locked */
	assert_int_equal(ps_ring_linux.prepare(ring, &read), 0);
	assert_int_equal(ps_ring_linux.submit(ring), 1);
	assert_int_equal(ps_ring_linux.wait(ring, 1, done), 1);
	assert_int_equal(done[0].tag, 7);
	assert_int_equal(done[0].result, 4);
	assert_memory_equal(memory + 100, "abcd", 4);
	assert_true(ps_ring_linux.register_files(ring, &file, 1) < 0); /* they are already */
}

static void a_full_queue_takes_no_more(void **state)
{
	char bytes[2 * PS_READ_DEPTH];
	const ps_ring_read one_more = {.fd = file, .memory = -1, .buffer = bytes, .bytes = 1};

	(void)state;
	need_ring();
	for (unsigned i = 0; i < sizeof bytes; i++)
		prepare(i, &bytes[i]);
	assert_int_equal(ps_ring_linux.prepare(ring, &one_more), -EBUSY);
}

static void what_the_kernel_refuses_is_minus_errno(void **state)
{
	ps_ring_done done[PS_READ_DEPTH];
	void *other = NULL;
	char byte;
	int fd;

	(void)state;
	need_ring();
	assert_int_equal(ps_ring_linux.open(&other, 0), -EINVAL);
	assert_null(other);
	/* Another file takes the place of the ring's descriptor. */
	prepare(0, &byte);
	fd = dup(((struct io_uring *)ring)->ring_fd);
	assert_int_equal(dup2(file, ((struct io_uring *)ring)->ring_fd),
			 ((struct io_uring *)ring)->ring_fd);
	assert_true(ps_ring_linux.submit(ring) < 0);
	assert_true(ps_ring_linux.wait(ring, 1, done) < 0);
	assert_int_equal(dup2(fd, ((struct io_uring *)ring)->ring_fd),
			 ((struct io_uring *)ring)->ring_fd);
	close(fd);
}

/* Opening tries the ring. What passes is tried again, but not for ever. */
static void a_ring_that_cannot_be_entered_is_none(void **state)
{
	static const int passing[] = {EINTR, EAGAIN};
	void *other = NULL;

	(void)state;
	need_ring();
	refusal = EPERM; /* of a sandbox */
	refusals = 1;
	assert_int_equal(ps_ring_linux.open(&other, 8), -EPERM);
	for (int i = 0; i < 2; i++) {
		refusal = passing[i];
		refusals = PS_READ_RETRIES;
		assert_int_equal(ps_ring_linux.open(&other, 8), -refusal);
		assert_null(other);
		refusals = PS_READ_RETRIES - 1;
		assert_int_equal(ps_ring_linux.open(&other, 8), 0);
		ps_ring_linux.close(other);
		other = NULL;
	}
}

static int open_ring(void *context)
{
	void *own;
	int rc = ps_ring_linux.open(&own, 8);

	(void)context;
	if (!rc)
		ps_ring_linux.close(own);
	return rc;
}

static void no_memory_for_a_ring_is_told(void **state)
{
	(void)state;
	need_ring();
	assert_true(alloc_double_sweep(NULL, open_ring, NULL) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(completions_beyond_a_batch_wait),
		TEST(registered_files_and_memory_are_read_into),
		TEST(a_full_queue_takes_no_more),
		TEST(what_the_kernel_refuses_is_minus_errno),
		TEST(a_ring_that_cannot_be_entered_is_none),
		TEST(no_memory_for_a_ring_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
