/* tools/run/progress_line, as a user sees it: processes draw on pseudo-terminals and into
 * pipes, and what they write is interpreted as a terminal would. All run at the same time (12
 * s); the tests then look at what was seen. On a busy machine waiting takes longer than
 * it should: no rate is expected that a short pause gives. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/clock.h"
#include "test/support/support_screen.h"
#include "tools/run/progress_line.h"
#include "tools/run/signals.h"

#define OUTPUT_BYTES ((size_t)1 << 18)
#define STATES_MAX 512
#define ROW_BYTES 512

enum session_name {
	WIDE_200,
	WIDE_80,
	WIDE_40,
	WIDE_20,
	RESIZED,
	NO_SIZE,
	SINGLE,
	INTERRUPTED,
	INTERRUPTED_TWICE,
	QUIET,
	PLAIN_NO_COLOR,
	PLAIN_DUMB,
	PIPED,
	SILENT,
	SILENT_PIPED,
	SESSIONS
};

struct session {
	void (*child)(void);
	unsigned short columns; /* 0: the terminal does not know */
	bool piped;
	const char *variable, *value; /* of the environment, or NULL */
	const char *keys; /* typed after 1.5 s, and the rest of it a second later, key by key */
	unsigned short resize; /* to so many columns after 1.5 s; 0: no */

	pid_t pid;
	int fd, status;
	size_t typed;
	bool resized;
	screen screen;
	char output[OUTPUT_BYTES];
	size_t output_bytes;
	size_t rows_most;                     /* that rewrite themselves, at any time */
	char state[STATES_MAX][2][ROW_BYTES]; /* of those rows, when they changed */
	size_t states;
};

static void wait_ms(int ms)
{
	double until = ps_clock() + 1e-3 * ms;

	/* Signals cut usleep short. */
	while (ps_clock() < until)
		usleep(1000);
}

static const ps_progress_step step_of[3] = {
	{.name = "llama/wanda-0.50/train-7",
	 .number = 1,
	 .total = 3,
	 .seconds = 3,
	 .rest_seconds = 3660},
	{.name = "llama/\u6f22\u5b57/caf\u00e9",
	 .number = 2,
	 .total = 3,
	 .seconds = 20,
	 .rest_seconds = 3600},
	{.name = "report", .number = 3, .total = 3, .seconds = 0.2, .rest_seconds = 0},
};

/* A step with ticks, one without, and the last one, which takes longer than expected. */
static void three_steps(void)
{
	ps_progress p = ps_progress_line(false);

	ps_progress_step_begin(&step_of[0]);
	ps_progress_note("FVU 0.0512, held out 0.0600, L0 64.0, dead 0.1 %");
	for (unsigned i = 1; i <= 250; i++) {
		wait_ms(10);
		p.tick(p.self, "training", "tok", i * 400, 100000);
	}
	ps_progress_note(NULL);
	ps_progress_step_end("fvu 0.0512");
	ps_progress_step_begin(&step_of[1]);
	wait_ms(1300);
	ps_progress_say(
		"waiting for process 4711 on node17, which has claimed llama/dense/train-7");
	wait_ms(700);
	ps_progress_step_end(NULL);
	ps_progress_step_begin(&step_of[2]);
	wait_ms(1300);
	ps_progress_step_end("done");
	ps_progress_line_end();
}

/* Layers at 1.2 s each, after a forward pass in each. */
static void slow_command(void)
{
	ps_progress p = ps_progress_line(false);

	for (unsigned layer = 1; layer <= 4; layer++) {
		for (unsigned i = 1; i <= 12; i++) {
			wait_ms(100);
			p.tick(p.self, "forward pass", "tok", i * 100, 1200);
		}
		p.tick(p.self, "wanda, layer", "layers", layer, 40);
	}
	ps_progress_line_end();
}

static void work_until_stopped(void)
{
	ps_progress p = ps_progress_line(false);

	ps_signals_install();
	ps_progress_step_begin(&step_of[0]);
	for (unsigned i = 1; i < 1000 && !p.stopped(p.self); i++) {
		wait_ms(10);
		p.tick(p.self, "training", "tok", i, 1000);
	}
	wait_ms(700);
	ps_progress_line_end();
	_exit(p.stopped(p.self) ? 130 : 1);
}

static void never_stop(void)
{
	ps_progress p = ps_progress_line(false);

	ps_signals_install();
	ps_progress_step_begin(&step_of[0]);
	for (unsigned i = 1; i < 1000; i++) {
		wait_ms(10);
		p.tick(p.self, "training", "tok", i, 1000);
	}
	_exit(1);
}

static void quiet(void)
{
	ps_progress p = ps_progress_line(true);

	ps_progress_step_begin(&step_of[0]);
	for (unsigned i = 1; i <= 25; i++) {
		wait_ms(100);
		p.tick(p.self, "training", "tok", i, 25);
	}
	ps_progress_say("nobody hears this");
	ps_progress_remark("nor this");
	ps_progress_step_end("fvu 0.0512");
	ps_progress_line_end();
}

static void long_step(void)
{
	static const ps_progress_step step = {"llama/wanda-0.50/train-7", 3, 150, 100, 7200};
	ps_progress p = ps_progress_line(false);

	ps_progress_remark("files are read with pread");
	ps_progress_step_begin(&step);
	ps_progress_say("waiting for another process");
	ps_progress_remark("sparsity 0.5: 3.21 nats a token");
	for (unsigned i = 1; i <= 105; i++) {
		wait_ms(100);
		p.tick(p.self, "training", "tok", i * 1000, 1000000);
	}
	ps_progress_step_end("fvu 0.0512");
	ps_progress_line_end();
}

/* Opens files for long, and writes for long after its only loop. */
static void silent_command(void)
{
	ps_progress p = ps_progress_line(false);

	wait_ms(4000);
	p.tick(p.self, "cosines", "rows", 100, 100);
	wait_ms(4000);
	ps_progress_line_end();
}

static void silent_for_long(void)
{
	(void)ps_progress_line(false);
	wait_ms(10500);
	ps_progress_line_end();
}

static struct session all[SESSIONS] = {
	[WIDE_200] = {.child = three_steps, .columns = 200},
	[WIDE_80] = {.child = three_steps, .columns = 80},
	[WIDE_40] = {.child = three_steps, .columns = 40},
	[WIDE_20] = {.child = three_steps, .columns = 20},
	[RESIZED] = {.child = three_steps, .columns = 100, .resize = 30},
	[NO_SIZE] = {.child = three_steps, .variable = "COLUMNS", .value = "33"},
	[SINGLE] = {.child = slow_command, .columns = 120},
	[INTERRUPTED] = {.child = work_until_stopped, .columns = 80, .keys = "\003"},
	[INTERRUPTED_TWICE] = {.child = never_stop, .columns = 80, .keys = "\003\003"},
	[QUIET] = {.child = quiet, .columns = 80},
	[PLAIN_NO_COLOR] = {.child = long_step,
			    .columns = 200,
			    .variable = "NO_COLOR",
			    .value = "1"},
	[PLAIN_DUMB] = {.child = long_step, .columns = 200, .variable = "TERM", .value = "dumb"},
	[PIPED] = {.child = long_step, .piped = true},
	[SILENT] = {.child = silent_command, .columns = 80},
	[SILENT_PIPED] = {.child = silent_for_long, .piped = true},
};

static void run_child(const struct session *s)
{
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	unsetenv("COLUMNS");
	if (s->variable)
		setenv(s->variable, s->value, 1);
	s->child();
	_exit(0);
}

static void start_piped(struct session *s)
{
	int end[2];

	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	s->pid = fork();
	if (!s->pid) {
		dup2(end[1], STDERR_FILENO);
		run_child(s);
	}
	close(end[1]);
	s->fd = end[0];
}

static void start(struct session *s)
{
	struct winsize size = {.ws_row = 24, .ws_col = s->columns};

	screen_start(&s->screen, s->columns ? s->columns : 33);
	if (s->piped) {
		start_piped(s);
		return;
	}
	s->pid = forkpty(&s->fd, NULL, NULL, &size);
	if (!s->pid)
		run_child(s);
	assert_true(s->pid > 0);
	fcntl(s->fd, F_SETFD, FD_CLOEXEC);
}

static void note_state(struct session *s)
{
	char text[2][SCREEN_COLUMNS * 16];
	size_t rows = screen_rows_below(&s->screen);

	s->rows_most = rows > s->rows_most ? rows : s->rows_most;
	screen_row(&s->screen, s->screen.row, text[0]);
	screen_row(&s->screen, s->screen.row + 1, text[1]);
	if (s->states == STATES_MAX || (s->states && !strcmp(text[0], s->state[s->states - 1][0]) &&
					!strcmp(text[1], s->state[s->states - 1][1])))
		return;
	for (int i = 0; i < 2; i++)
		snprintf(s->state[s->states][i], ROW_BYTES, "%.*s", ROW_BYTES - 1, text[i]);
	s->states++;
}

/* Drawings end where the cursor is parked: at the start of a row. In the middle of one nothing
 * is judged. */
static void read_some(struct session *s)
{
	char bytes[4096];
	ssize_t length = read(s->fd, bytes, sizeof bytes);

	if (length <= 0) {
		close(s->fd);
		s->fd = -1;
		waitpid(s->pid, &s->status, 0);
		return;
	}
	if (s->output_bytes + (size_t)length < OUTPUT_BYTES) {
		memcpy(s->output + s->output_bytes, bytes, (size_t)length);
		s->output_bytes += (size_t)length;
	}
	if (s->piped)
		return;
	screen_write(&s->screen, bytes, (size_t)length);
	if (!s->screen.column && !s->screen.pending_bytes)
		note_state(s);
}

static void act(struct session *s, double age)
{
	struct winsize size = {.ws_row = 24, .ws_col = s->resize};

	if (s->keys && s->keys[s->typed] && age > 1.5 + (double)s->typed) {
		assert_int_equal(write(s->fd, s->keys + s->typed, 1), 1);
		s->typed++;
	}
	if (s->resize && !s->resized && age > 1.5) {
		ioctl(s->fd, TIOCSWINSZ, &size);
		s->resized = true;
	}
	/* What was on its way is drawn for the old width: by then all is drawn anew. */
	if (s->resize && age > 2.2)
		screen_resize(&s->screen, s->resize);
}

static int run_all(void **state)
{
	double begun = ps_clock();
	size_t open = SESSIONS;

	(void)state;
	for (size_t i = 0; i < SESSIONS; i++)
		start(&all[i]);
	while (open) {
		struct pollfd waits[SESSIONS];

		open = 0;
		for (size_t i = 0; i < SESSIONS; i++) {
			waits[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
			open += all[i].fd >= 0;
		}
		poll(waits, SESSIONS, 20);
		for (size_t i = 0; i < SESSIONS; i++) {
			if (all[i].fd >= 0)
				act(&all[i], ps_clock() - begun);
			if (all[i].fd >= 0 && waits[i].revents)
				read_some(&all[i]);
		}
	}
	return 0;
}

/* Whether the row that rewrites itself (0, 1) ever matched the extended regular expression. */
static bool saw(const struct session *s, int row, const char *pattern)
{
	regex_t regex;
	bool found = false;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	for (size_t i = 0; i < s->states && !found; i++)
		found = !regexec(&regex, s->state[i][row], 0, NULL, 0);
	regfree(&regex);
	return found;
}

static void must_see(const struct session *s, int row, const char *pattern)
{
	if (saw(s, row, pattern))
		return;
	for (size_t i = 0; i < s->states; i += 1 + s->states / 12)
		print_message("%s\n%s\n", s->state[i][0], s->state[i][1]);
	fail_msg("no line matched %s", pattern);
}

static void must_show(const struct session *s, const char *text)
{
	char row[SCREEN_COLUMNS * 16];

	if (screen_shows(&s->screen, text))
		return;
	for (size_t i = 0; i < 12; i++)
		print_message("%s\n", screen_row(&s->screen, i, row));
	fail_msg("no row shows %s", text);
}

static void check_clean(const struct session *s)
{
	if (s->screen.faults)
		fail_msg("%zu faults, the first: %s", s->screen.faults, s->screen.fault);
	assert_true(s->rows_most <= 2);
	assert_int_equal(screen_rows_below(&s->screen), 0);
	assert_int_equal(s->screen.column, 0);
	assert_false(saw(s, 0, "\\?|[^0-9.]0 tok/s"));
	assert_false(saw(s, 1, "\\?|[^0-9.]0 tok/s"));
}

static void test_no_width_is_exceeded_and_nothing_stays(void **state)
{
	(void)state;
	for (size_t i = WIDE_200; i <= SINGLE; i++) {
		check_clean(&all[i]);
		assert_int_equal(all[i].status, 0);
		assert_true(all[i].states > 5);
	}
	assert_int_equal(all[WIDE_80].rows_most, 2);
}

static void test_wide_terminals_show_step_loop_and_times_left(void **state)
{
	const struct session *s = &all[WIDE_80], *w = &all[WIDE_200];

	(void)state;
	must_see(w, 0,
		 "^step 1 of 3: llama/wanda-0.50/train-7, 1s so far, [12]s left; all 1h01m left$");
	must_see(s, 0,
		 "^step 1 of 3: llama/wanda-0.50/train-7, [12]s left; all 1h01m left$|so far");
	must_see(s, 1, "^training .*%? ?[0-9.]+k/100k tok, [0-9.]+k tok/s; FVU 0.0512$");
	must_see(w, 1,
		 "^training \\[#+\\.+\\] [0-9.]+k/100k tok, [0-9.]+k tok/s; FVU 0.0512, held "
		 "out 0.0600, L0 64.0, dead 0.1 %$");
	/* The step without ticks. */
	must_see(
		s, 0,
		"^step 2 of 3: llama/\u6f22\u5b57/caf\u00e9, 1s so far, 19s left; all 1h00m left$");
	must_show(s, "step 2 of 3: llama/\u6f22\u5b57/caf\u00e9, 2.");
	must_see(w, 0, "^step 3 of 3: report, 1s so far$");
	must_show(s, "s, done");
	must_show(s, ", fvu 0.0512");
	must_show(w, "waiting for process 4711 on node17, which has claimed llama/dense/train-7");
}

static void test_narrow_terminals_show_what_matters(void **state)
{
	(void)state;
	must_see(&all[WIDE_40], 0, "^1/3 train-7.*; all 1h01m left$");
	must_see(&all[WIDE_40], 1, "^training [0-9]+ %.*tok/s");
	must_see(&all[WIDE_20], 0, "^1/3 train-7 1h01m$");
	must_see(&all[WIDE_20], 1, "^training [0-9]+ %");
	must_see(&all[WIDE_20], 0, "^2/3 caf\u00e9");
	must_show(&all[WIDE_20], "3/3 report");
	must_show(&all[WIDE_20], "4711 on node17,");
	must_see(&all[NO_SIZE], 0, "^1/3 train-7; all 1h01m left$");
}

static void test_a_resize_is_followed(void **state)
{
	(void)state;
	assert_true(all[RESIZED].resized);
	must_see(&all[RESIZED], 0, "^step 1 of 3: llama/wanda-0.50/train-7, .*; all 1h01m left$");
	must_see(&all[RESIZED], 0, "^2/3 caf\u00e9");
}

static void test_a_single_command_shows_slow_rates_and_the_time_left_of_the_outer_loop(void **state)
{
	const struct session *s = &all[SINGLE];

	(void)state;
	must_see(s, 0, "^wanda, layer \\[\\.+\\] 1/40 layers; forward pass [0-9]+ %$");
	must_see(s, 0,
		 "^wanda, layer \\[#\\.+\\] 3/40 layers, (1\\.[2-9]|[2-9]\\.)[0-9]* s/layer, "
		 "([4-9][0-9]s|[1-5]m[0-9]+s) left; forward pass [0-9]+ %$");
	assert_false(saw(s, 1, "."));
}

static void test_a_command_without_ticks_says_for_how_long_it_works(void **state)
{
	const struct session *s = &all[SILENT];

	(void)state;
	check_clean(s);
	must_see(s, 0, "^working, [23]s so far$");
	must_see(s, 0, "^cosines \\[#+\\] 100/100 rows; working, [23]s$");
	assert_false(saw(s, 0, "working, [01]s"));
}

static void test_stopping_leaves_a_clean_line(void **state)
{
	const struct session *once = &all[INTERRUPTED], *twice = &all[INTERRUPTED_TWICE];

	(void)state;
	assert_int_equal(WEXITSTATUS(once->status), 130);
	assert_int_equal(WEXITSTATUS(twice->status), 130);
	must_see(once, 0, "^stopping: ");
	assert_int_equal(screen_rows_below(&once->screen), 0);
	assert_int_equal(screen_rows_below(&twice->screen), 0);
	assert_int_equal(once->screen.column, 0);
	assert_int_equal(twice->screen.column, 0);
	assert_int_equal(once->screen.faults, 0);
	assert_true(once->rows_most <= 2);
}

static void test_quiet_is_silent(void **state)
{
	(void)state;
	assert_int_equal(all[QUIET].output_bytes, 0);
}

#define STAMP "^20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} "

/* The lines that came are those expected, count of them. */
static void check_lines(struct session *s, const char *const *expected, size_t count)
{
	char *line = s->output, *end;
	size_t i = 0;

	s->output[s->output_bytes < OUTPUT_BYTES ? s->output_bytes : OUTPUT_BYTES - 1] = 0;
	for (; (end = strchr(line, '\n')); line = end + 1, i++) {
		regex_t regex;

		*end = 0;
		print_message("%s\n", line);
		assert_true(i < count);
		assert_int_equal(regcomp(&regex, expected[i], REG_EXTENDED | REG_NOSUB), 0);
		assert_int_equal(regexec(&regex, line, 0, NULL, 0), 0);
		regfree(&regex);
	}
	assert_int_equal(i, count);
	assert_int_equal(*line, 0);
}

static void check_plain(struct session *s)
{
	static const char *const expected[] = {
		"^prunescope: files are read with pread\r?$",
		STAMP "waiting for another process\r?$",
		"^prunescope: llama/wanda-0.50/train-7: sparsity 0.5: 3.21 nats a token\r?$",
		STAMP "step 3 of 150: llama/wanda-0.50/train-7, 10s so far, 1m[23][0-9]s left; all "
		      "2h01m left; training, [0-9.]+k of 1M tok \\([0-9]+ %\\), [0-9.]+k tok/s\r?$",
		STAMP "step 3 of 150: llama/wanda-0.50/train-7, 1[0-9]s, fvu 0.0512\r?$",
	};

	check_lines(s, expected, sizeof expected / sizeof *expected);
}

static void test_elsewhere_lines_are_whole_and_stamped(void **state)
{
	(void)state;
	check_plain(&all[PIPED]);
	check_plain(&all[PLAIN_NO_COLOR]);
	check_plain(&all[PLAIN_DUMB]);
}

static void test_elsewhere_a_silent_command_has_lines_too(void **state)
{
	static const char *const expected[] = {STAMP "working, 1[0-9]s so far$"};

	(void)state;
	check_lines(&all[SILENT_PIPED], expected, 1);
}

static void test_no_thread_is_left(void **state)
{
	char line[256];
	int threads = 0;
	FILE *file;

	(void)state;
	for (int i = 0; i < 3; i++) {
		(void)ps_progress_line(i == 1);
		if (i == 2)
			(void)ps_progress_line(false);
		ps_progress_line_end();
		ps_progress_line_end();
	}
	file = fopen("/proc/self/status", "r");
	assert_non_null(file);
	while (fgets(line, sizeof line, file))
		(void)sscanf(line, "Threads: %d", &threads);
	fclose(file);
#ifndef __SANITIZE_THREAD__
	assert_int_equal(threads, 1);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_width_is_exceeded_and_nothing_stays),
		cmocka_unit_test(test_wide_terminals_show_step_loop_and_times_left),
		cmocka_unit_test(test_narrow_terminals_show_what_matters),
		cmocka_unit_test(test_a_resize_is_followed),
		cmocka_unit_test(
			test_a_single_command_shows_slow_rates_and_the_time_left_of_the_outer_loop),
		cmocka_unit_test(test_a_command_without_ticks_says_for_how_long_it_works),
		cmocka_unit_test(test_stopping_leaves_a_clean_line),
		cmocka_unit_test(test_quiet_is_silent),
		cmocka_unit_test(test_elsewhere_lines_are_whole_and_stamped),
		cmocka_unit_test(test_elsewhere_a_silent_command_has_lines_too),
		cmocka_unit_test(test_no_thread_is_left),
	};

	return cmocka_run_group_tests(tests, run_all, NULL);
}
