/* io/file: which files are there, what stands in a file's place, and standard output. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "test/support/support_sys_double.h"

static char folder[256], path[300];

static int set_up(void **state)
{
	(void)state;
	scratch_make(folder, sizeof folder);
	snprintf(path, sizeof path, "%s/file", folder);
	return ps_file_replace(&ps_sys_linux, path, "text", 4, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(folder);
	return 0;
}

static void what_is_there_and_what_is_named(void **state)
{
	char link[300], below[320], endless[PATH_MAX + 10];

	(void)state;
	snprintf(link, sizeof link, "%s/link", folder);
	snprintf(below, sizeof below, "%s/below", path);
	memset(endless, 'x', sizeof endless - 1);
	endless[sizeof endless - 1] = 0;
	assert_int_equal(symlink("nowhere", link), 0);
	assert_true(ps_file_is_there(path) && ps_file_is_named(path));
	assert_true(!ps_file_is_there(link) && ps_file_is_named(link));
	assert_true(!ps_file_is_there(below) && !ps_file_is_named(below)); /* ENOTDIR */
	assert_true(!ps_file_is_there("nowhere") && !ps_file_is_named("nowhere"));
	/* What cannot be looked at may be there. */
	assert_true(ps_file_is_there(endless) && ps_file_is_named(endless));
}

static void refused(const char *text, const char *want)
{
	ps_diag diag = {{0}};
	uint64_t bytes;

	assert_int_equal(ps_file_replace(&ps_sys_linux, path, text, strlen(text), NULL), 0);
	assert_int_equal(ps_file_open(&ps_sys_linux, path, &bytes, &diag), PS_EINPUT);
	if (!strstr(diag.text, path) || !strstr(diag.text, want))
		fail_msg("'%s'; '%s' is expected", diag.text, want);
}

static void pointers_of_git_lfs_tell_the_size(void **state)
{
	static const char start[] = "version https://git-lfs.github.com/spec/v1\n";
	char text[200];
	uint64_t bytes;
	int fd;

	(void)state;
	snprintf(text, sizeof text, "%soid sha256:12\nsize 123456\n", start);
	refused(text, "is a Git LFS pointer, not the file itself (size 123456)");
	snprintf(text, sizeof text, "%soid sha256:12\n", start);
	refused(text, "is a Git LFS pointer, not the file itself (size unknown)");
	snprintf(text, sizeof text, "%.30s, which is as long as a pointer", "another text");
	assert_int_equal(ps_file_replace(&ps_sys_linux, path, text, strlen(text), NULL), 0);
	fd = ps_file_open(&ps_sys_linux, path, &bytes, NULL);
	assert_true(fd >= 0);
	close(fd);
}

/* --- standard output, in a process that ends with exit --- */

enum { ALL_WRITTEN, FULL, FULL_BEFORE, CLOSED, CLOSED_WITHOUT_TEXT };

static int close_stdout(int how)
{
	ps_diag diag = {{0}};
	int fd = open(how == FULL || how == FULL_BEFORE ? "/dev/full" : "/dev/null", O_WRONLY), rc;

	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return 100;
	if (how != CLOSED_WITHOUT_TEXT)
		printf("text");
	if (how == FULL_BEFORE)
		(void)fflush(stdout);
	if (how == CLOSED || how == CLOSED_WITHOUT_TEXT)
		close(STDOUT_FILENO);
	rc = ps_stdout_close(&diag);
	if (!rc)
		return diag.text[0] ? 101 : 0;
	return rc != PS_EOUTPUT || strncmp(diag.text, "standard output: ", 17) != 0 ? 102 : 1;
}

static int status_of(int how)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child)
		exit(close_stdout(how));
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_result_that_is_not_written_is_a_failure(void **state)
{
	(void)state;
	assert_int_equal(status_of(ALL_WRITTEN), 0);
	assert_int_equal(status_of(FULL), 1);
	assert_int_equal(status_of(FULL_BEFORE), 1);
	assert_int_equal(status_of(CLOSED), 1);
	/* Who prints nothing needs no standard output. */
	assert_int_equal(status_of(CLOSED_WITHOUT_TEXT), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_there_and_what_is_named),
		TEST(pointers_of_git_lfs_tell_the_size),
		TEST(a_result_that_is_not_written_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
