#include "tools/run/progress_line.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "io/safetensors.h"

static volatile sig_atomic_t stop_requested;

static struct {
	bool quiet, terminal, plain, shown;
	char stage[96], what[64], note[96];
	double started, last;
	uint64_t first_done;
} line;

static void format_time(double seconds, char out[32])
{
	long s = (long)fmin(seconds + 0.5, 3.5e6);

	if (s >= 3600)
		snprintf(out, 32, "%ldh%02ldm", s / 3600 % 1000, s / 60 % 60);
	else
		snprintf(out, 32, "%ldm%02lds", s / 60, s % 60);
}

static void format_count(double value, char out[16])
{
	static const char suffix[] = " kMGT";
	int i = 0;

	while (value >= 1000 && i < 4) {
		value /= 1000;
		i++;
	}
	snprintf(out, 16, i ? "%.3g%c" : "%.3g", value, suffix[i]);
}

static void show(const char *unit, uint64_t done, uint64_t total, double elapsed)
{
	char rate_text[16], done_text[16], total_text[16], left_text[32] = "?", bar[21];
	double rate = elapsed > 0 ? (double)(done - line.first_done) / elapsed : 0;
	int filled = total ? (int)(20 * done / total) : 0;

	if (rate > 0)
		format_time((double)(total - done) / rate, left_text);
	format_count(rate, rate_text);
	format_count((double)done, done_text);
	format_count((double)total, total_text);
	memset(bar, '.', 20);
	memset(bar, '#', (size_t)filled);
	bar[20] = 0;
	if (line.terminal)
		fprintf(stderr, "\r\x1b[K%s%s%s [%s] %s/%s %s, %s %s/s, %s left%s", line.stage,
			line.stage[0] ? ": " : "", line.what, bar, done_text, total_text, unit,
			rate_text, unit, left_text, line.note);
	else
		fprintf(stderr, "%s%s%s: %s of %s %s (%d %%), %s %s/s, %s left%s\n", line.stage,
			line.stage[0] ? ": " : "", line.what, done_text, total_text, unit,
			total ? (int)(100 * done / total) : 0, rate_text, unit, left_text,
			line.note);
	fflush(stderr);
	line.shown = line.terminal;
}

static void tick(void *self, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	double t = ps_clock();

	(void)self;
	if (line.quiet)
		return;
	if (strncmp(line.what, what, sizeof line.what - 1) || done < line.first_done) {
		snprintf(line.what, sizeof line.what, "%s", what);
		line.started = t;
		line.last = line.terminal ? t + 1.8 : t;
		line.first_done = done;
	}
	if (done > total || t - line.last < (line.terminal ? 0.2 : 10))
		return;
	line.last = t;
	show(unit, done, total, t - line.started);
}

static int stopped(void *self)
{
	(void)self;
	return stop_requested;
}

ps_progress ps_progress_line(bool quiet)
{
	const char *term = getenv("TERM");

	line.quiet = quiet;
	line.terminal =
		isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb")) && !getenv("NO_COLOR");
	return (ps_progress){.tick = tick, .stopped = stopped};
}

void ps_progress_stage(const char *stage)
{
	snprintf(line.stage, sizeof line.stage, "%s", stage ? stage : "");
	line.what[0] = 0;
}

void ps_progress_note(const char *note)
{
	snprintf(line.note, sizeof line.note, "%s%s", note ? "; " : "", note ? note : "");
}

void ps_progress_clear(void)
{
	if (line.shown)
		fputs("\r\x1b[K", stderr);
	line.shown = false;
}

static void on_stop(int signal_number)
{
	if (stop_requested)
		_exit(130);
	stop_requested = signal_number;
}

static void write_text(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

	(void)ignored;
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	const char *path = ps_map_guard_find(info->si_addr);

	(void)context;
	if (!path) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
		return;
	}
	write_text("prunescope: ");
	write_text(path);
	write_text(": the file shrank or became unreadable while it was read\n");
	_exit(3);
}

void ps_signals_install(void)
{
	struct sigaction stop = {.sa_handler = on_stop},
			 bus = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGBUS, &bus, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}
