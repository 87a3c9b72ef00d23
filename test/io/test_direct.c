/* io/direct: which files get a descriptor for direct reads, and why the others get none. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/direct.h"
#include "test/support/support_alloc_double.h"
#include "test/support/support_sys_double.h"

enum { NOBODY = 65534 };

static char folder[256], path[300], other[300];
static ps_safetensors file; /* open and not mapped: only its descriptor is looked at */
static _Alignas(PS_READ_ALIGNMENT) char block[PS_READ_ALIGNMENT];
static ps_sys sys;
static bool opens_another;
static int home; /* the folder that the tests are called in */

/* O_DIRECT is left out, so that the tests run on any file system. */
static int open_plainly(const char *name, int flags, mode_t mode)
{
	return sys_double.open(opens_another ? other : name, flags & ~O_DIRECT, mode);
}

static void make_file(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, block, sizeof block), sizeof block);
	close(fd);
}

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/file", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	make_file(path);
	make_file(other);
	/* Other users may not come by the whole path, so it is a relative one. */
	home = open(".", O_RDONLY | O_DIRECTORY);
	assert_int_equal(chdir(folder), 0);
	file = (ps_safetensors){.path = "file", .fd = open("file", O_RDONLY)};
	sys = sys_double;
	sys.open = open_plainly;
	opens_another = false;
	sys_double_plan((sys_plan){0});
	return file.fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (!getuid())
		assert_int_equal(seteuid(0), 0);
	close(file.fd);
	assert_int_equal(fchdir(home), 0);
	close(home);
	scratch_remove(folder);
	return 0;
}

static void direct(void)
{
	ps_direct_files files;

	assert_int_equal(ps_direct_open(&files, &sys, &file, 1, block), 0);
	assert_int_equal(files.direct_count, 1);
	assert_true(files.fds[0] >= 0);
	assert_string_equal(files.refusal, "");
	ps_direct_close(&files);
	assert_int_equal(sys_double_open_files(), 0);
}

static void refused(const char *why)
{
	ps_direct_files files;

	assert_int_equal(ps_direct_open(&files, &sys, &file, 1, block), 0);
	assert_int_equal(files.direct_count, 0);
	assert_int_equal(files.fds[0], -1);
	assert_string_equal(files.refusal, why);
	ps_direct_close(&files);
	assert_int_equal(sys_double_open_files(), 0);
}

static void a_file_that_can_be_read_directly(void **state)
{
	(void)state;
	direct();
	sys_double_plan((sys_plan){.interrupt = true}); /* the first pread is EINTR */
	direct();
}

static void no_files_at_all(void **state)
{
	ps_direct_files files;

	(void)state;
	assert_int_equal(ps_direct_open(&files, &sys, NULL, 0, block), 0);
	assert_int_equal(files.count, 0);
	ps_direct_close(&files);
}

static int open_one(void *context)
{
	ps_direct_files files;
	int rc = ps_direct_open(&files, &sys, context, 1, block);

	if (rc)
		return rc == -ENOMEM ? PS_EBUDGET : rc;
	ps_direct_close(&files);
	return 0;
}

static void no_memory_is_told(void **state)
{
	(void)state;
	assert_true(alloc_double_sweep(NULL, open_one, &file) > 0);
}

static void every_call_may_fail(void **state)
{
	(void)state;
	sys_double_plan((sys_plan){.calls = SYS_OPEN, .fail_at = 1, .error = EINVAL});
	refused("O_DIRECT: Invalid argument");
	for (int n = 1; n <= 2; n++) {
		sys_double_plan((sys_plan){.calls = SYS_FSTAT, .fail_at = n, .error = EIO});
		refused("O_DIRECT: Input/output error");
	}
	sys_double_plan((sys_plan){.calls = SYS_PREAD, .fail_at = 1, .error = EINVAL});
	refused("O_DIRECT: Invalid argument");
}

static void a_file_of_the_same_name_is_another(void **state)
{
	(void)state;
	opens_another = true;
	refused("O_DIRECT: Stale file handle");
}

static void only_the_first_refusal_is_told(void **state)
{
	const ps_safetensors two[2] = {file, file};
	ps_direct_files files;

	(void)state;
	sys_double_plan((sys_plan){.calls = SYS_PREAD, .fail_at = 1, .error = EINVAL});
	assert_int_equal(ps_direct_open(&files, &sys, two, 2, block), 0);
	assert_int_equal(files.direct_count, 1);
	assert_int_equal(files.fds[0], -1);
	assert_true(files.fds[1] >= 0);
	assert_string_equal(files.refusal, "O_DIRECT: Invalid argument");
	ps_direct_close(&files);
	opens_another = true;
	sys_double_plan((sys_plan){.calls = SYS_FSTAT, .fail_at = 1, .error = EIO});
	assert_int_equal(ps_direct_open(&files, &sys, two, 2, block), 0);
	assert_int_equal(files.direct_count, 0);
	assert_string_equal(files.refusal, "O_DIRECT: Input/output error");
	ps_direct_close(&files);
}

/* The kernel tells the owner, and those who may write, what is cached. root is told always. */
static void others_are_not_told_what_is_cached(void **state)
{
	(void)state;
	if (geteuid())
		skip(); /* nobody else's file can be made */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	refused("not told what is cached");
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	direct();
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(chown(path, NOBODY, NOBODY), 0);
	assert_int_equal(seteuid(NOBODY), 0);
	direct();
	assert_int_equal(seteuid(0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_file_that_can_be_read_directly),
		TEST(no_files_at_all),
		TEST(no_memory_is_told),
		TEST(every_call_may_fail),
		TEST(a_file_of_the_same_name_is_another),
		TEST(only_the_first_refusal_is_told),
		TEST(others_are_not_told_what_is_cached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
