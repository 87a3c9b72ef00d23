#include "tools/run/progress_line.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "tools/run/line_text.h"
#include "tools/run/loops.h"
#include "tools/run/signals.h"

#define DRAW_SECONDS 0.2     /* least time between two drawings */
#define REFRESH_SECONDS 0.5  /* of the thread */
#define PLAIN_SECONDS 10.0   /* between two plain lines */
#define SHOWN_AFTER 1.8      /* seconds of a command without steps, or of its first loop */
#define SILENT_AFTER 1.8     /* seconds without a tick */
#define STEP_SHOWN_AFTER 0.3 /* seconds; shorter steps only scroll by */
#define COLUMNS_FALLBACK 80
#define BAR_COLUMNS 20

/* While lines are drawn the cursor is parked at the start of the first one. It stays there
 * when the terminal breaks the lines anew after a resize, so that erasing from the cursor on
 * always erases all that was drawn, and no more. */
#define ERASE "\r\x1b[J"
#define ERASE_TO_LINE_END "\x1b[K"
#define ERASE_BELOW "\x1b[J"
#define LINE_UP "\x1b[A"
#define STAMP_BYTES 32

static struct {
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	pthread_t thread;
	bool running, ending;

	bool quiet, terminal;
	bool in_step;
	double last;       /* time of the last drawing or plain line */
	double idle_since; /* the beginning, or the end of the last step */
	double loop_since; /* first tick since then */
	ps_loops loops;
	ps_step_clock step;
	size_t number, total;
	double rest_seconds;
	char name[256], note[128];
	char drawn[2][PS_LINE_BYTES]; /* what stands on the terminal; empty: nothing */
} line = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Not stdio: one call writes a whole line, also where several processes share a log. */
static void write_all(const char *text)
{
	size_t length = strlen(text);

	while (length) {
		ssize_t written = write(STDERR_FILENO, text, length);

		if (written < 0 && errno != EINTR)
			return;
		if (written > 0) {
			text += written;
			length -= (size_t)written;
		}
	}
}

static void erase(void)
{
	if (line.drawn[0][0])
		write_all(ERASE);
	line.drawn[0][0] = line.drawn[1][0] = 0;
	ps_signals_last_words(NULL);
}

/* Columns for text. The last one stays free: terminals differ in where the cursor is once it
 * is filled. */
static size_t columns(void)
{
	const char *variable = getenv("COLUMNS");
	struct winsize size;
	unsigned long wide = 0;

	if (!isatty(STDERR_FILENO))
		return PS_LINE_UNLIMITED;
	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size))
		wide = size.ws_col;
	if (!wide && variable)
		wide = strtoul(variable, NULL, 10);
	if (!wide || wide > 10000)
		wide = COLUMNS_FALLBACK;
	return wide > 1 ? wide - 1 : 1;
}

static char *time_stamp(char out[STAMP_BYTES])
{
	time_t now = time(NULL);
	struct tm parts;

	localtime_r(&now, &parts);
	strftime(out, STAMP_BYTES, "%Y-%m-%d %H:%M:%S ", &parts);
	return out;
}

/* What gives way in a line that is too wide, the first one first. */
enum rank {
	RANK_REMARK,    /* time so far, note, loop inside */
	RANK_DETAIL,    /* bar, the words "step 3 of 150" */
	RANK_STEP_NAME, /* its last component stays */
	RANK_COUNTS,    /* done and total, time left of the step, headline */
	RANK_NAME,      /* name of the loop, time left of all, time that a step took */
	RANK_RATE,
	RANK_LEFT, /* time left of a command without steps */
	RANK_STOPPING,
};

/* What is known at a moment: all that is drawn follows from it and from the line. */
struct moment {
	double now;
	double elapsed; /* seconds of the step */
	double left;    /* seconds of the step, or without steps of the loop; negative: not known */
	double whole;   /* seconds of all steps; negative: not known */
	const ps_loop *inner, *outer;
};

static struct moment look(double now)
{
	struct moment m = {.now = now, .left = -1, .whole = -1};

	m.inner = ps_loops_inner(&line.loops);
	m.outer = ps_loops_outer(&line.loops, now);
	if (line.in_step) {
		m.elapsed = now - line.step.began;
		m.left = ps_step_left(&line.step, &line.loops, now);
		/* A step over its expected time, without ticks, is taken to end at any moment. Of
		 * the last one, that says nothing about when all ends. */
		if (line.rest_seconds >= 0 && m.left >= 0)
			m.whole = line.rest_seconds + m.left;
		else if (line.rest_seconds > 0 && line.step.seconds > 0)
			m.whole = line.rest_seconds;
	} else if (m.outer) {
		m.left = ps_loop_left(m.outer, now);
	}
	return m;
}

/* A time in a text of its own; narrow: the time alone, or nothing. */
static void add_time(ps_line_parts *parts, enum rank rank, const char *format, double seconds,
		     bool keep_narrow)
{
	char time_text[24], wide[64], narrow[64];

	if (seconds < 0)
		return;
	ps_text_seconds(seconds, false, time_text);
	snprintf(wide, sizeof wide, format, time_text);
	snprintf(narrow, sizeof narrow, " %s", keep_narrow ? time_text : "");
	ps_line_add(parts, rank, wide, keep_narrow ? narrow : "");
}

/* "step 3 of 150: llama/train-7"; narrow: "3/150 train-7". */
static void add_step_name(ps_line_parts *parts)
{
	const char *slash = strrchr(line.name, '/');
	char wide[64], narrow[64];

	snprintf(wide, sizeof wide, "step %zu of %zu: ", line.number, line.total);
	snprintf(narrow, sizeof narrow, "%zu/%zu ", line.number, line.total);
	ps_line_add(parts, RANK_DETAIL, wide, narrow);
	ps_line_add(parts, RANK_STEP_NAME, line.name, slash ? slash + 1 : line.name);
}

static void add_step(ps_line_parts *parts, const struct moment *m)
{
	add_step_name(parts);
	add_time(parts, RANK_REMARK, ", %s so far", m->elapsed, false);
	add_time(parts, RANK_COUNTS, ", %s left", m->left, false);
	add_time(parts, RANK_NAME, "; all %s left", m->whole, true);
}

static double share_done(const ps_loop *loop)
{
	return loop->last.done < loop->total ? (double)loop->last.done / (double)loop->total : 1;
}

/* " [####....] 12.3k/100k tok", plain ", 12.3k of 100k tok (12 %)". */
static void add_counts(ps_line_parts *parts, const ps_loop *loop)
{
	double share = share_done(loop);
	char done_text[24], total_text[24], text[96], percent[24], bar[BAR_COLUMNS + 1];

	ps_text_count(share * (double)loop->total, done_text);
	ps_text_count((double)loop->total, total_text);
	if (!line.terminal) {
		snprintf(text, sizeof text, ", %s of %s %s (%d %%)", done_text, total_text,
			 loop->unit, (int)(100 * share));
		ps_line_add(parts, RANK_COUNTS, text, "");
		return;
	}
	memset(bar, '.', BAR_COLUMNS);
	memset(bar, '#', (size_t)(BAR_COLUMNS * share));
	bar[BAR_COLUMNS] = 0;
	snprintf(text, sizeof text, " [%s]", bar);
	snprintf(percent, sizeof percent, " %d %%", (int)(100 * share));
	ps_line_add(parts, RANK_DETAIL, text, percent);
	snprintf(text, sizeof text, " %s/%s %s", done_text, total_text, loop->unit);
	ps_line_add(parts, RANK_COUNTS, text, "");
}

/* Adds a text whose narrow form ends at its first comma. */
static void add_to_comma(ps_line_parts *parts, enum rank rank, const char *text)
{
	char narrow[128];

	snprintf(narrow, sizeof narrow, "%.*s", (int)strcspn(text, ","), text);
	ps_line_add(parts, rank, text, narrow);
}

/* The outer loop with its rate; of a loop inside it only "; forward pass 43 %". */
static void add_loop(ps_line_parts *parts, const struct moment *m)
{
	const ps_loop *loop = m->outer ? m->outer : m->inner;
	double rate = ps_loop_rate(loop, m->now);
	char rate_text[48], text[160];

	add_to_comma(parts, RANK_NAME, loop->what);
	add_counts(parts, loop);
	if (rate > 0) {
		snprintf(text, sizeof text, ", %s", ps_text_rate(rate, loop->unit, rate_text));
		ps_line_add(parts, RANK_RATE, text, "");
	}
	if (!line.in_step)
		add_time(parts, RANK_LEFT, ", %s left", m->left, true);
	if (loop != m->inner) {
		snprintf(text, sizeof text, "; %s %d %%", m->inner->what,
			 (int)(100 * share_done(m->inner)));
		ps_line_add(parts, RANK_REMARK, text, "");
	}
	if (!line.in_step && m->left < 0 && m->now - m->inner->last.time > SILENT_AFTER)
		add_time(parts, RANK_LEFT, "; working, %s", m->now - m->inner->last.time, true);
	if (line.note[0])
		add_to_comma(parts, RANK_REMARK, line.note);
}

/* Of a command that has not ticked yet: it opens files, or checks them. */
static void add_idle(ps_line_parts *parts, const struct moment *m)
{
	ps_line_add(parts, RANK_NAME, "working", "");
	add_time(parts, RANK_LEFT, ", %s so far", m->now - line.idle_since, true);
}

static void draw_on_terminal(const struct moment *m)
{
	ps_line_parts first = {.count = 0}, second = {.count = 0};
	char text[2][PS_LINE_BYTES], out[2 * PS_LINE_BYTES + 64];
	size_t width = columns();

	if (ps_stop_requested())
		ps_line_add(&first, RANK_STOPPING, "stopping: ", "stopping ");
	if (line.in_step)
		add_step(&first, m);
	if (m->inner)
		add_loop(line.in_step ? &second : &first, m);
	else if (!line.in_step)
		add_idle(&first, m);
	ps_line_fit(&first, width, text[0]);
	ps_line_fit(&second, width, text[1]);
	if (!strcmp(text[0], line.drawn[0]) && !strcmp(text[1], line.drawn[1]))
		return;
	if (text[1][0])
		snprintf(out, sizeof out, "\r%s" ERASE_TO_LINE_END "\n%s" ERASE_BELOW "\r" LINE_UP,
			 text[0], text[1]);
	else
		snprintf(out, sizeof out, "\r%s" ERASE_BELOW "\r", text[0]);
	ps_signals_last_words(ERASE);
	write_all(out);
	memcpy(line.drawn, text, sizeof text);
}

static void write_line(const char *text)
{
	char *out;

	if (asprintf(&out, "%s\n", text) < 0)
		return;
	write_all(out);
	free(out);
}

static void draw_plain(const struct moment *m)
{
	ps_line_parts parts = {.count = 0};
	char text[PS_LINE_BYTES], stamp[STAMP_BYTES];
	size_t width = columns();

	ps_line_add(&parts, RANK_REMARK, time_stamp(stamp), "");
	if (line.in_step)
		add_step(&parts, m);
	if (line.in_step && m->inner)
		ps_line_add(&parts, RANK_RATE, "; ", "; ");
	if (m->inner)
		add_loop(&parts, m);
	else if (!line.in_step)
		add_idle(&parts, m);
	ps_line_fit(&parts, width, text);
	write_line(text);
}

/* Whether it is too early to show something on a terminal. What is shown stays. */
static bool is_early(double now)
{
	if (line.in_step)
		return now - line.step.began < STEP_SHOWN_AFTER;
	if (line.drawn[0][0])
		return false;
	return now - (line.loops.count ? line.loop_since : line.idle_since) < SHOWN_AFTER;
}

/* Draws if the last time is long enough ago. The lock is held. */
static void draw(double now)
{
	struct moment m;

	if (line.quiet || ps_signals_ending() || (line.terminal && is_early(now)))
		return;
	if (now - line.last < (line.terminal ? DRAW_SECONDS : PLAIN_SECONDS))
		return;
	line.last = now;
	m = look(now);
	if (line.terminal)
		draw_on_terminal(&m);
	else
		draw_plain(&m);
}

/* Writes a permanent line above those that rewrite themselves. The lock is held. */
static void print_above(const char *text)
{
	size_t width = columns();
	char *row;

	if (width == PS_LINE_UNLIMITED) {
		write_line(text);
		return;
	}
	erase();
	row = malloc(strlen(text) + 1);
	while (row && *text) {
		size_t bytes = ps_text_row(text, width);

		snprintf(row, bytes + 1, "%s", text);
		write_line(row);
		text += bytes;
		text += strspn(text, " ");
	}
	free(row);
	if (line.terminal)
		line.last = 0;
}

static void tick(void *self, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	const ps_loop_tick t = {.what = what, .unit = unit, .done = done, .total = total};
	double now = ps_clock();

	(void)self;
	if (line.quiet)
		return;
	pthread_mutex_lock(&line.lock);
	if (!line.loops.count)
		line.loop_since = now;
	ps_loops_tick(&line.loops, &t, now);
	draw(now);
	pthread_mutex_unlock(&line.lock);
}

static int stopped(void *self)
{
	(void)self;
	return ps_stop_requested();
}

static void *refresh(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&line.lock);
	while (!line.ending) {
		double until = ps_clock() + REFRESH_SECONDS;
		struct timespec t = {(time_t)until, (long)(1e9 * (until - (double)(time_t)until))};

		pthread_cond_timedwait(&line.wake, &line.lock, &t);
		if (!line.ending)
			draw(ps_clock());
	}
	pthread_mutex_unlock(&line.lock);
	return NULL;
}

/* Signals go to the other threads: a write that a signal interrupts is theirs to handle. */
static void start_thread(void)
{
	pthread_condattr_t clock;
	sigset_t all, before;

	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&line.wake, &clock);
	pthread_condattr_destroy(&clock);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	line.running = !pthread_create(&line.thread, NULL, refresh, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!line.running)
		pthread_cond_destroy(&line.wake);
}

ps_progress ps_progress_line(bool quiet)
{
	const char *term = getenv("TERM");

	ps_progress_line_end();
	line.quiet = quiet;
	line.idle_since = line.last = ps_clock();
	line.terminal =
		isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb")) && !getenv("NO_COLOR");
	if (!quiet)
		start_thread();
	return (ps_progress){.tick = tick, .stopped = stopped};
}

void ps_progress_line_end(void)
{
	bool running;

	pthread_mutex_lock(&line.lock);
	running = line.running;
	erase();
	line.ending = true;
	if (running)
		pthread_cond_signal(&line.wake);
	pthread_mutex_unlock(&line.lock);
	if (running) {
		pthread_join(line.thread, NULL);
		pthread_cond_destroy(&line.wake);
	}
	line.running = line.ending = line.in_step = false;
	line.loops.count = 0;
	line.note[0] = 0;
}

void ps_progress_step_begin(const ps_progress_step *step)
{
	double now = ps_clock();

	pthread_mutex_lock(&line.lock);
	line.in_step = true;
	line.loops.count = 0;
	line.step = (ps_step_clock){.began = now, .seconds = step->seconds};
	line.number = step->number;
	line.total = step->total;
	line.rest_seconds = step->rest_seconds;
	snprintf(line.name, sizeof line.name, "%s", step->name);
	line.note[0] = 0;
	if (!line.terminal)
		line.last = now;
	pthread_mutex_unlock(&line.lock);
}

void ps_progress_step_end(const char *headline)
{
	ps_line_parts parts = {.count = 0};
	char text[PS_LINE_BYTES], part[256], exact[24], stamp[STAMP_BYTES];

	pthread_mutex_lock(&line.lock);
	if (line.in_step && !line.quiet) {
		if (!line.terminal)
			ps_line_add(&parts, RANK_REMARK, time_stamp(stamp), "");
		add_step_name(&parts);
		ps_text_seconds(ps_clock() - line.step.began, true, exact);
		snprintf(part, sizeof part, ", %s", exact);
		ps_line_add(&parts, RANK_NAME, part, part + 1);
		snprintf(part, sizeof part, ", %s", headline ? headline : "");
		ps_line_add(&parts, RANK_COUNTS, headline ? part : "", "");
		ps_line_fit(&parts, columns(), text);
		erase();
		write_line(text);
	}
	line.in_step = false;
	line.loops.count = 0;
	line.idle_since = ps_clock();
	pthread_mutex_unlock(&line.lock);
}

void ps_progress_remark(const char *text)
{
	char *whole = NULL;

	if (line.quiet)
		return;
	pthread_mutex_lock(&line.lock);
	if (asprintf(&whole, "prunescope: %s%s%s", line.in_step ? line.name : "",
		     line.in_step ? ": " : "", text) >= 0) {
		print_above(whole);
		free(whole);
	}
	pthread_mutex_unlock(&line.lock);
}

void ps_progress_say(const char *format, ...)
{
	char *text, *stamped, stamp[STAMP_BYTES] = "";
	va_list args;
	int length;

	if (line.quiet)
		return;
	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return;
	if (!line.terminal)
		time_stamp(stamp);
	if (asprintf(&stamped, "%s%s", stamp, text) >= 0) {
		pthread_mutex_lock(&line.lock);
		print_above(stamped);
		pthread_mutex_unlock(&line.lock);
		free(stamped);
	}
	free(text);
}

void ps_progress_note(const char *note)
{
	pthread_mutex_lock(&line.lock);
	snprintf(line.note, sizeof line.note, "%s%s", note ? "; " : "", note ? note : "");
	pthread_mutex_unlock(&line.lock);
}
