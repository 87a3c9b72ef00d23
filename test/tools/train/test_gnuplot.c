/* tools/train/gnuplot: a gnuplot that draws, fails, is killed, draws nothing, writes too much, ends
 * early or is not there. Scripts take gnuplot's place in PATH. */
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/support_sys_double.h"
#include "tools/run/process.h"
#include "tools/train/gnuplot.h"

static char scratch[256], *real_path;
static int looks; /* how often it was asked whether to stop */
static int stop_at;

static int stopped(void *self)
{
	(void)self;
	return stop_at && ++looks >= stop_at;
}

static int set_up(void **state)
{
	char path[PATH_MAX];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	scratch_make(scratch, sizeof scratch);
	real_path = strdup(getenv("PATH"));
	snprintf(path, sizeof path, "%s:%s", scratch, real_path);
	setenv("PATH", path, 1);
	looks = stop_at = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	setenv("PATH", real_path, 1);
	free(real_path);
	scratch_remove(scratch);
	return 0;
}

/* Puts a shell script in gnuplot's place. */
static void be_gnuplot(const char *script)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof path, "%s/gnuplot", scratch);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", script);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
}

static char *drawing;
static size_t length;

static int draw(const char *script, size_t bytes, ps_diag *diag)
{
	const ps_progress progress = {.stopped = stopped};
	const ps_context context = {.progress = &progress, .diag = diag};

	drawing = NULL;
	return ps_gnuplot_draw(script, bytes, &context, &drawing, &length);
}

static void fails_with(const char *script, int code, const char *message)
{
	ps_diag diag = {{0}};

	be_gnuplot(script);
	assert_int_equal(draw("plot", 4, &diag), code);
	assert_null(drawing);
	if (!strstr(diag.text, message))
		fail_msg("%s: '%s' does not say '%s'", script, diag.text, message);
}

static void what_it_draws_is_returned(void **state)
{
	const size_t bytes = 300000;
	char *script = malloc(bytes);
	ps_diag diag = {{0}};

	(void)state;
	/* More than a pipe holds, in both directions at once. */
	be_gnuplot("[ \"$*\" = -d ] && cat && echo a remark >&2");
	memset(script, 'x', bytes);
	assert_int_equal(draw(script, bytes, &diag), 0);
	assert_int_equal(length, bytes);
	assert_memory_equal(drawing, script, bytes);
	assert_int_equal(drawing[length], 0);
	free(drawing);
	free(script);
}

static void a_script_that_is_not_read_is_no_failure(void **state)
{
	char *script = calloc(1, 300000);
	ps_diag diag = {{0}};

	(void)state;
	be_gnuplot("echo drawn");
	assert_int_equal(draw(script, 300000, &diag), 0);
	assert_string_equal(drawing, "drawn\n");
	free(drawing);
	free(script);
}

static void failures_have_its_message(void **state)
{
	(void)state;
	fails_with("cat >/dev/null; printf 'line 3:\\n  undefined\\tvariable\\n' >&2; exit 2",
		   PS_EFAILED, "gnuplot: exit status 2: line 3: undefined variable");
	fails_with("exit 1", PS_EFAILED, "it says nothing");
	fails_with("no-such-program", PS_EFAILED, "not found");
	fails_with("echo half; kill -9 $$", PS_EFAILED, "signal 9");
	fails_with("cat >/dev/null", PS_EFAILED, "drew nothing");
	fails_with("cat >/dev/null; echo no font >&2", PS_EFAILED, "drew nothing: no font");
	fails_with("cat >/dev/null; exec cat /dev/zero", PS_EFAILED, "more than 64 MiB");
	stop_at = 20;
	fails_with("yes complaint >&2", PS_EINTERRUPTED, "interrupted");
}

static void one_that_is_not_there_is_no_failure(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	setenv("PATH", scratch, 1);
	assert_int_equal(draw("plot", 4, &diag), PS_GNUPLOT_MISSING);
	assert_string_equal(diag.text, "");
	be_gnuplot("exit 127");
	assert_int_equal(draw("plot", 4, &diag), PS_GNUPLOT_MISSING);
	assert_string_equal(diag.text, "");
	be_gnuplot("true");
	snprintf(diag.text, sizeof diag.text, "%s/gnuplot", scratch);
	assert_int_equal(chmod(diag.text, 0644), 0);
	diag.text[0] = 0;
	assert_int_equal(ps_exit_code(draw("plot", 4, &diag)), 4);
	assert_non_null(strstr(diag.text, "cannot be run"));
}

/* Whom it starts may hold its pipes open: they are not waited for, and do not live on. */
static void its_children_end_with_it(void **state)
{
	char path[PATH_MAX];
	ps_diag diag = {{0}};
	ps_process sleeper = {.start = 0};
	FILE *file;
	int pid = 0;

	(void)state;
	for (int interrupt = 0; interrupt < 2; interrupt++) {
		be_gnuplot("sleep 300 & echo $! >\"$(dirname \"$0\")/pid\"; echo drawn\n"
			   "[ ! -e \"$(dirname \"$0\")/wait\" ] || wait");
		snprintf(path, sizeof path, "%s/wait", scratch);
		if (interrupt)
			fclose(fopen(path, "w"));
		stop_at = interrupt ? 3 : 0;
		looks = 0;
		assert_int_equal(draw("plot", 4, &diag), interrupt ? PS_EINTERRUPTED : 0);
		free(drawing);
		snprintf(path, sizeof path, "%s/pid", scratch);
		file = fopen(path, "r");
		assert_non_null(file);
		assert_int_equal(fscanf(file, "%d", &pid), 1);
		fclose(file);
		sleeper.pid = pid;
		for (int i = 0; i < 500 && ps_process_is_alive(&sleeper); i++)
			usleep(10000);
		assert_false(ps_process_is_alive(&sleeper));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_it_draws_is_returned), TEST(a_script_that_is_not_read_is_no_failure),
		TEST(failures_have_its_message), TEST(one_that_is_not_there_is_no_failure),
		TEST(its_children_end_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
