/* tools/run/memory_limits: the least limit of the process's memory cgroup and of those above it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "test/support/support_checkpoint.h"
#include "tools/run/memory_limits.h"

#define MIB ((size_t)1 << 20)

/* Writes a file of a system that stands in root, and its folders. */
static void put(const char *root, const char *name, const char *text)
{
	char command[1024];

	snprintf(command, sizeof command,
		 "mkdir -p '%s/%s' && rmdir '%s/%s' && printf '%s' >'%s/%s'", root, name, root,
		 name, text, root, name);
	assert_int_equal(system(command), 0);
}

/* The limit of a process in these groups. files: name and text, ended by NULL. */
static size_t cgroup_of(const char *groups, const char *const *files)
{
	char root[256];
	size_t limit;

	ck_make_folder(root, sizeof root);
	put(root, "proc/self/cgroup", groups);
	for (; *files; files += 2)
		put(root, files[0], files[1]);
	limit = ps_memory_limits_read(root).cgroup;
	ck_remove_folder(root);
	return limit;
}

static void test_a_limit_binds_the_groups_below_it(void **state)
{
	static const char *const slurm[] = {"sys/fs/cgroup/job/step/task/memory.max",
					    "max\n",
					    "sys/fs/cgroup/job/step/memory.max",
					    "8388608\n",
					    "sys/fs/cgroup/job/memory.max",
					    "4194304\n",
					    NULL},
				 *const first[] = {"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
						   "9223372036854771712\n",
						   "sys/fs/cgroup/memory/a/memory.limit_in_bytes",
						   "3145728\n", NULL},
				 *const none[] = {"sys/fs/cgroup/memory/a/memory.limit_in_bytes",
						  "9223372036854771712\n", NULL};

	(void)state;
	assert_int_equal(cgroup_of("0::/job/step/task\n", slurm), 4 * MIB);
	assert_int_equal(cgroup_of("0::/job/step\n", slurm), 4 * MIB);
	assert_int_equal(cgroup_of("0::/other\n", slurm), 0);
	assert_int_equal(cgroup_of("5:cpu:/c\n4:memory:/a/b\n0::/\n", first), 3 * MIB);
	assert_int_equal(cgroup_of("4:memory:/a\n", none), 0);
}

/* /proc names the group as the host does, and the container's own group is mounted. */
static void test_a_container_has_the_limit_of_what_it_sees_as_root(void **state)
{
	static const char *const first[] = {"sys/fs/cgroup/memory/memory.limit_in_bytes",
					    "2097152\n", NULL},
				 *const second[] = {"sys/fs/cgroup/memory.max", "1048576\n", NULL};

	(void)state;
	assert_int_equal(cgroup_of("4:cpu,memory:/docker/0123\n", first), 2 * MIB);
	assert_int_equal(cgroup_of("4:memory:/\n", first), 2 * MIB);
	assert_int_equal(cgroup_of("0::/docker/0123\n", second), MIB);
	assert_int_equal(cgroup_of("0::/\n", second), MIB);
	assert_int_equal(cgroup_of("0::/../elsewhere\nnonsense\n:\n", second), MIB);
}

static void test_memory_is_told_without_proc(void **state)
{
	ps_memory_limits limits;
	char root[256];

	(void)state;
	ck_make_folder(root, sizeof root);
	limits = ps_memory_limits_read(root);
	assert_true(limits.available > MIB);
	assert_int_equal(limits.cgroup, 0);
	put(root, "proc/meminfo", "MemTotal: 9 kB\nMemAvailable: 7 kB\n");
	assert_int_equal(ps_memory_limits_read(root).available, 7 * 1024);
	ck_remove_folder(root);
}

/* The limit is so large that it binds nothing here: AddressSanitizer maps terabytes. */
static void test_a_limit_of_the_process_counts(void **state)
{
	const rlim_t much = (rlim_t)1 << 60;
	struct rlimit before, limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_DATA, &before), 0);
	limit = before;
	limit.rlim_cur = much;
	/* qemu-user sets no limits of memory. */
	if (setrlimit(RLIMIT_DATA, &limit) || getrlimit(RLIMIT_DATA, &limit) ||
	    limit.rlim_cur != much)
		skip();
	assert_int_equal(ps_memory_limits_read("").process, much);
	assert_int_equal(setrlimit(RLIMIT_DATA, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_limit_binds_the_groups_below_it),
		cmocka_unit_test(test_a_container_has_the_limit_of_what_it_sees_as_root),
		cmocka_unit_test(test_memory_is_told_without_proc),
		cmocka_unit_test(test_a_limit_of_the_process_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
