/* io/file_set: the old files stay until all new ones are whole. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/file.h"
#include "io/file_set.h"
#include "test/support/support_sys_double.h"

static char scratch[256];

static int set_up(void **state)
{
	(void)state;
	scratch_make(scratch, sizeof scratch);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	scratch_remove(scratch);
	return 0;
}

static const char *inside(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", scratch, name);
	return path;
}

static void put(const char *name, const char *text)
{
	assert_int_equal(ps_file_replace(&ps_sys_linux, inside(name), text, strlen(text), NULL), 0);
}

static bool holds(const char *name, const char *text)
{
	char *bytes;
	size_t length;
	bool same;

	if (ps_file_read(&ps_sys_linux, inside(name), 1000, &bytes, &length, NULL))
		return false;
	same = !strcmp(bytes, text);
	free(bytes);
	return same;
}

static bool is_there(const char *name)
{
	return !access(inside(name), F_OK);
}

/* Two files that replace old ones, and one that goes. */
static int replace_all(const ps_sys *sys, ps_diag *diag)
{
	ps_file_set *set = ps_file_set_create(sys);
	int rc = ps_file_set_add(set, inside("a"), "new a", 5, diag);

	if (!rc)
		rc = ps_file_set_remove(set, inside("gone"), diag);
	if (!rc)
		rc = ps_file_set_remove(set, inside("never there"), diag);
	if (!rc)
		rc = ps_file_set_add(set, inside("b"), "new b", 5, diag);
	if (!rc)
		return ps_file_set_keep(set, diag);
	ps_file_set_drop(set);
	return rc;
}

static void put_old(void)
{
	put("a", "old a");
	put("b", "old b");
	put("gone", "old");
}

static void all_are_replaced_together(void **state)
{
	ps_diag diag = {{0}};
	ps_file_set *set = ps_file_set_create(&ps_sys_linux);

	(void)state;
	put_old();
	assert_int_equal(ps_file_set_add(set, inside("a"), "new a", 5, &diag), 0);
	assert_true(holds("a", "old a"));
	ps_file_set_drop(set);
	ps_file_set_drop(NULL);
	assert_true(holds("a", "old a"));
	assert_int_equal(scratch_count(scratch), 3);
	assert_int_equal(replace_all(&ps_sys_linux, &diag), 0);
	assert_true(holds("a", "new a") && holds("b", "new b"));
	assert_int_equal(scratch_count(scratch), 2);
}

/* Whichever call fails before the first rename, nothing has changed. After it every file is whole,
 * and the same work succeeds. */
static void a_failure_leaves_whole_files(void **state)
{
	long n = 1;
	int rc;

	(void)state;
	do {
		bool old;

		put_old();
		sys_double_plan(
			(sys_plan){.calls = SYS_ALL & ~SYS_CLOSE, .fail_at = n++, .error = ENOSPC});
		rc = replace_all(&sys_double, NULL);
		old = !strchr(sys_double_trace(), 'm');
		assert_int_equal(sys_double_open_files(), 0);
		if (rc && old)
			assert_true(holds("a", "old a") && holds("b", "old b") &&
				    holds("gone", "old"));
		assert_true(holds("a", "old a") || holds("a", "new a"));
		assert_true(holds("b", "old b") || holds("b", "new b"));
		/* The file that was added last stands for all. */
		assert_true(holds("b", "old b") || (holds("a", "new a") && !is_there("gone")));
		assert_int_equal(replace_all(&ps_sys_linux, NULL), 0);
		assert_int_equal(scratch_count(scratch), 2);
	} while (rc || sys_double_count() >= n - 1);
	assert_true(n > 10);
}

static void after_a_failed_fsync_a_file_is_written_anew(void **state)
{
	(void)state;
	put_old();
	sys_double_plan((sys_plan){.calls = SYS_FSYNC, .fail_at = 1, .error = EIO});
	assert_int_equal(replace_all(&sys_double, NULL), 0);
	assert_true(holds("a", "new a") && holds("b", "new b"));
	assert_int_equal(scratch_count(scratch), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_are_replaced_together),
		TEST(a_failure_leaves_whole_files),
		TEST(after_a_failed_fsync_a_file_is_written_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
