/* io/temporary: what other processes do to a temporary file between two calls, and what they left
 * of theirs. Nobody's file is taken from him. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/temporary.h"
#include "test/support/support_sys_double.h"

#define LEFT ".file.ps-partial"

static char folder[256], path[300], partial[300];
static ps_sys sys; /* each test changes some of its calls */
/* What the changed calls do: how often they did it, with which error, by which descriptor. */
static int times, error, rival;

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/file", folder);
	snprintf(partial, sizeof partial, "%s/" LEFT, folder);
	sys = ps_sys_linux;
	times = error = 0;
	rival = -1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (rival >= 0)
		close(rival);
	scratch_remove(folder);
	return 0;
}

static void refused(const char *want)
{
	ps_temporary temporary;
	ps_diag diag = {{0}};
	int rc = ps_temporary_open(&temporary, &sys, path, &diag);

	if (!rc || !strstr(diag.text, path) || !strstr(diag.text, want))
		fail_msg("returned %d, '%s'; '%s' is expected", rc, diag.text, want);
	assert_int_equal(temporary.fd, -1);
}

static void make_leftover(void)
{
	int fd = open(partial, O_CREAT | O_WRONLY, 0666);

	assert_true(fd >= 0);
	close(fd);
}

/* Opens a temporary file, writes two bytes, and gives it its name. */
static void works(void)
{
	ps_temporary temporary;
	char bytes[3] = "";
	int fd;

	assert_int_equal(ps_temporary_open(&temporary, &sys, path, NULL), 0);
	assert_int_equal(sys.pwrite(temporary.fd, "ok", 2, 0), 2);
	assert_int_equal(ps_temporary_keep(&temporary, NULL), 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, bytes, sizeof bytes), 2);
	close(fd);
	assert_string_equal(bytes, "ok");
	assert_int_equal(scratch_count(folder), 1);
}

/* --- others who come in between --- */

/* The file is created, but its owner finds that another process holds it. */
static int open_and_lose(const char *name, int flags, mode_t mode)
{
	int fd = ps_sys_linux.open(name, flags, mode);

	if (fd >= 0 && flags & O_CREAT) {
		rival = open(name, O_RDONLY);
		assert_int_equal(flock(rival, LOCK_EX | LOCK_NB), 0);
	}
	return fd;
}

static void a_file_that_another_process_locks_is_its_own(void **state)
{
	(void)state;
	sys.open = open_and_lose;
	refused("another process is writing it");
	assert_int_equal(access(partial, F_OK), 0);
}

static void a_leftover_that_is_locked_stays(void **state)
{
	(void)state;
	make_leftover();
	rival = open(partial, O_RDONLY);
	assert_int_equal(flock(rival, LOCK_EX | LOCK_NB), 0);
	refused("another process is writing it");
	ps_temporary_sweep(&sys, folder);
	assert_int_equal(access(partial, F_OK), 0);
	close(rival);
	rival = -1;
	works();
}

/* The file is created, and another process, which took it for a leftover, removes it. */
static int open_and_vanish(const char *name, int flags, mode_t mode)
{
	int fd = ps_sys_linux.open(name, flags, mode);

	if (fd >= 0 && flags & O_CREAT && times-- > 0)
		assert_int_equal(unlink(name), 0);
	return fd;
}

static void a_file_that_was_removed_is_created_again(void **state)
{
	(void)state;
	sys.open = open_and_vanish;
	times = 3;
	works();
	assert_int_equal(times, -1);
	times = INT_MAX;
	refused("cannot be created");
	assert_int_equal(scratch_count(folder), 1);
}

/* A leftover that another process removes before it can be opened, or before it is unlinked. */
static int open_too_late(const char *name, int flags, mode_t mode)
{
	if (!(flags & O_CREAT) && times-- > 0) {
		if (error == ENOENT)
			assert_int_equal(unlink(name), 0);
		return -error;
	}
	return ps_sys_linux.open(name, flags, mode);
}

static int unlink_too_late(const char *name)
{
	times++;
	if (error == ENOENT)
		assert_int_equal(unlink(name), 0);
	return -error;
}

static void a_leftover_that_goes_meanwhile_is_gone(void **state)
{
	(void)state;
	make_leftover();
	sys.open = open_too_late;
	times = 1;
	error = ENOENT;
	works();
	sys.open = ps_sys_linux.open;
	sys.unlink = unlink_too_late;
	times = 0;
	make_leftover();
	works();
	assert_int_equal(times, 1);
}

static void a_leftover_that_cannot_be_removed_is_told(void **state)
{
	(void)state;
	make_leftover();
	error = EACCES;
	times = 1;
	sys.open = open_too_late;
	refused("cannot be created: Permission denied");
	sys.open = ps_sys_linux.open;
	sys.unlink = unlink_too_late;
	refused("cannot be created: Permission denied");
	assert_int_equal(access(partial, F_OK), 0);
}

/* --- folders and names --- */

static int fail_fsync(int fd)
{
	(void)fd;
	return -error;
}

static void a_file_system_that_cannot_sync_folders_is_none_to_blame(void **state)
{
	(void)state;
	sys.fsync = fail_fsync;
	error = EINVAL;
	assert_int_equal(ps_folder_fsync(&sys, folder), 0);
	error = EIO;
	assert_int_equal(ps_folder_fsync(&sys, folder), -EIO);
	assert_int_equal(ps_folder_fsync(&sys, path), -ENOENT);
}

static void names_of_temporary_files(void **state)
{
	(void)state;
	assert_true(ps_temporary_is(LEFT));
	assert_true(ps_temporary_is("..ps-partial"));
	assert_false(ps_temporary_is(".ps-partial"));
	assert_false(ps_temporary_is("file.ps-partial"));
	assert_false(ps_temporary_is(".file.partial"));
	assert_false(ps_temporary_is("."));
	assert_false(ps_temporary_is(""));
}

static void a_sweep_takes_leftovers_only(void **state)
{
	char other[300];
	int fd;

	(void)state;
	make_leftover();
	snprintf(other, sizeof other, "%s/file", folder);
	fd = open(other, O_CREAT | O_WRONLY, 0666);
	assert_true(fd >= 0);
	close(fd);
	ps_temporary_sweep(&sys, folder);
	assert_int_equal(access(partial, F_OK), -1);
	assert_int_equal(access(other, F_OK), 0);
	ps_temporary_sweep(&sys, "/nowhere/at/all");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_another_process_locks_is_its_own),
		TEST(a_leftover_that_is_locked_stays),
		TEST(a_file_that_was_removed_is_created_again),
		TEST(a_leftover_that_goes_meanwhile_is_gone),
		TEST(a_leftover_that_cannot_be_removed_is_told),
		TEST(a_file_system_that_cannot_sync_folders_is_none_to_blame),
		TEST(names_of_temporary_files),
		TEST(a_sweep_takes_leftovers_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
