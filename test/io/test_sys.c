/* io/sys: each call gives the kernel's error as -errno, and transfers are whole or fail.
 * io/file_state tells one state of a file from another. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "io/file_state.h"
#include "io/sys.h"
#include "test/support/support_sys_double.h"

static char scratch[256], path[300], missing[300];

static int set_up(void **state)
{
	FILE *file;

	(void)state;
	scratch_make(scratch, sizeof scratch);
	snprintf(path, sizeof path, "%s/file", scratch);
	snprintf(missing, sizeof missing, "%s/missing/file", scratch);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_true(fputs("0123456789", file) >= 0);
	assert_int_equal(fclose(file), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static void an_error_is_minus_errno(void **state)
{
	const ps_sys *sys = &ps_sys_linux;
	unsigned char resident[1];
	struct stat st;
	char byte;

	(void)state;
	assert_int_equal(sys->open(missing, O_RDONLY, 0), -ENOENT);
	assert_int_equal(sys->close(-1), -EBADF);
	assert_int_equal(sys->pread(-1, &byte, 1, 0), -EBADF);
	assert_int_equal(sys->pwrite(-1, &byte, 1, 0), -EBADF);
	assert_int_equal(sys->fsync(-1), -EBADF);
	assert_int_equal(sys->rename(missing, path), -ENOENT);
	assert_int_equal(sys->exchange(missing, path), -ENOENT);
	assert_int_equal(sys->unlink(missing), -ENOENT);
	assert_int_equal(sys->mkdir(scratch, 0777), -EEXIST);
	assert_int_equal(sys->rmdir(missing), -ENOENT);
	assert_int_equal(sys->fstat(-1, &st), -EBADF);
	assert_int_equal(sys->mincore((void *)1, 1, resident), -EINVAL);
	assert_null(ps_sys_opendir(missing));
	assert_int_equal(errno, ENOENT);
}

/* A pwrite that takes nothing and says no error. */
static ssize_t write_nothing(int fd, const void *buffer, size_t bytes, off_t offset)
{
	(void)fd, (void)buffer, (void)bytes, (void)offset;
	return 0;
}

static void transfers_are_whole_or_fail(void **state)
{
	ps_sys idle = ps_sys_linux;
	char bytes[16] = "";
	int fd = ps_sys_linux.open(path, O_RDWR, 0);

	(void)state;
	assert_true(fd >= 0);
	sys_double_plan((sys_plan){.shorten = 3, .interrupt = true});
	assert_int_equal(ps_sys_pread_full(&sys_double, fd, bytes, 10, 0), 0);
	assert_string_equal(bytes, "0123456789");
	assert_int_equal(ps_sys_pread_full(&sys_double, fd, bytes, 10, 5), -ENODATA);
	assert_int_equal(ps_sys_pread_full(&ps_sys_linux, -1, bytes, 1, 0), -EBADF);
	assert_int_equal(ps_sys_pwrite_full(&sys_double, fd, "abcdefgh", 8, 1), 0);
	assert_int_equal(ps_sys_pread_full(&ps_sys_linux, fd, bytes, 10, 0), 0);
	assert_string_equal(bytes, "0abcdefgh9");
	idle.pwrite = write_nothing;
	assert_true(ps_sys_pwrite_full(&idle, fd, "x", 1, 0) < 0);
	assert_true(ps_sys_pwrite_full(&ps_sys_linux, -1, "x", 1, 0) == -EBADF);
	assert_int_equal(ps_sys_linux.close(fd), 0);
}

static void the_state_of_a_file_is_read_or_refused(void **state)
{
	ps_file_state found;
	ps_diag diag = {{0}};

	(void)state;
	assert_int_equal(ps_file_state_read(&ps_sys_linux, path, &found, &diag), 0);
	assert_int_equal(found.bytes, 10);
	assert_int_equal(ps_file_state_read(&ps_sys_linux, missing, &found, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, missing));
	diag = (ps_diag){{0}};
	assert_int_equal(ps_file_state_read(&ps_sys_linux, scratch, &found, &diag), PS_EINPUT);
	assert_non_null(strstr(diag.text, scratch));
	for (long n = 1; n <= 2; n++) {
		sys_double_plan((sys_plan){.calls = SYS_FSTAT, .fail_at = n, .error = EIO});
		diag = (ps_diag){{0}};
		assert_int_equal(ps_file_state_read(&sys_double, path, &found, &diag), PS_EINPUT);
		assert_non_null(strstr(diag.text, path));
		assert_int_equal(sys_double_open_files(), 0);
	}
}

static void every_part_of_a_state_counts(void **state)
{
	const ps_file_state a = {1, 2, 3, 4, 5};
	const ps_file_state others[] = {{0, 2, 3, 4, 5},
					{1, 0, 3, 4, 5},
					{1, 2, 0, 4, 5},
					{1, 2, 3, 0, 5},
					{1, 2, 3, 4, 0}};

	(void)state;
	assert_true(ps_file_state_same(&a, &a));
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_false(ps_file_state_same(&a, &others[i]));
}

/* The clock of a file system with fine times ticks every 20 ms at most, one with coarse times every
 * 2 s; the later one of both times counts. */
static void a_state_is_settled_after_a_tick(void **state)
{
	const int64_t ms = 1000000, t = 1000000 * ms;
	const ps_file_state fine = {.mtime_ns = t, .ctime_ns = t + 1},
			    coarse = {.mtime_ns = t, .ctime_ns = t},
			    touched = {.mtime_ns = t + 50 * ms, .ctime_ns = t + 1};

	(void)state;
	assert_true(ps_file_state_unsettled(&fine, t + 1) > 0);
	assert_true(ps_file_state_unsettled(&fine, t + 1) <= 20 * ms);
	assert_int_equal(ps_file_state_unsettled(&fine, t + 100 * ms), 0);
	assert_true(ps_file_state_unsettled(&coarse, t + 100 * ms) > 0);
	assert_int_equal(ps_file_state_unsettled(&coarse, t + 5000 * ms), 0);
	assert_true(ps_file_state_unsettled(&touched, t + 51 * ms) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_error_is_minus_errno),
		TEST(transfers_are_whole_or_fail),
		TEST(the_state_of_a_file_is_read_or_refused),
		TEST(every_part_of_a_state_counts),
		TEST(a_state_is_settled_after_a_tick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
