/* tools/run/signals and process: what a process does when it is told to stop, and when a
 * mapped file shrinks. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/map_guard.h"
#include "tools/run/signals.h"

/* Runs body in a process of its own. Returns its status as wait gives it; stderr goes to text. */
static int run(void (*body)(void), char text[512])
{
	int end[2], status;
	size_t used = 0;
	ssize_t length;
	pid_t child;

	assert_int_equal(pipe(end), 0);
	child = fork();
	if (!child) {
		dup2(end[1], STDERR_FILENO);
		ps_signals_install();
		body();
		_exit(77);
	}
	close(end[1]);
	while ((length = read(end[0], text + used, 511 - used)) > 0)
		used += (size_t)length;
	text[used] = 0;
	close(end[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void stop_once(void)
{
	if (ps_stop_requested())
		_exit(1);
	raise(SIGTERM);
	ps_signals_last_words("not said");
	_exit(ps_stop_requested() == SIGTERM && !ps_signals_ending() ? 0 : 2);
}

static void stop_twice(void)
{
	ps_signals_last_words("erased");
	raise(SIGINT);
	raise(SIGTERM);
}

static void write_to_nobody(void)
{
	int end[2];

	if (pipe(end))
		_exit(1);
	close(end[0]);
	_exit(write(end[1], "x", 1) < 0 ? 0 : 2);
}

/* A page beyond the end of its file. */
static volatile char *lost_page(size_t *bytes)
{
	char name[] = "/tmp/prunescope-test-XXXXXX";
	int fd = mkstemp(name);
	void *page;

	*bytes = (size_t)sysconf(_SC_PAGESIZE);
	unlink(name);
	page = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return page;
}

static void read_shrunk_file(void)
{
	size_t bytes;
	volatile char *page = lost_page(&bytes);

	ps_map_guard_add((const void *)page, bytes, "DIR/shard-00003.safetensors", -1);
	ps_signals_last_words("erased ");
	(void)page[0];
}

static void read_unknown_page(void)
{
	size_t bytes;

	(void)lost_page(&bytes)[0];
}

static void test_the_first_signal_asks_and_the_second_one_ends(void **state)
{
	char text[512];
	int status;

	(void)state;
	assert_int_equal(run(stop_once, text), 0);
	assert_string_equal(text, "");
	status = run(stop_twice, text);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 130);
	assert_string_equal(text, "erased");
}

static void test_writing_to_nobody_is_an_error_of_the_write(void **state)
{
	char text[512];

	(void)state;
	assert_int_equal(run(write_to_nobody, text), 0);
}

static void test_a_mapped_file_that_shrank_is_named(void **state)
{
	char text[512];
	int status = run(read_shrunk_file, text);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
	assert_string_equal(text, "erased prunescope: DIR/shard-00003.safetensors: the file shrank "
				  "or became unreadable while it was read\n");
	status = run(read_unknown_page, text);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_signal_asks_and_the_second_one_ends),
		cmocka_unit_test(test_writing_to_nobody_is_an_error_of_the_write),
		cmocka_unit_test(test_a_mapped_file_that_shrank_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
