/* bench/watch_command.c: runs a command and measures what it takes.
 *
 *   watch_command [-r RESULT] [-s SERIES.csv] [-i MILLISECONDS] COMMAND [ARGUMENT...]
 *
 * RESULT (or stderr) gets one line:
 *   - wall, user and system seconds;
 *   - peak resident and peak anonymous MiB, and MiB read from storage;
 *   - the share of all processors that others took meanwhile: other processes, the kernel, the host
 *     of a virtual machine;
 *   - the command's exit status (128 + signal).
 * SERIES gets resident and anonymous MiB over time. It exits with the command's status.
 *
 * Memory is that of the command's own process: start a program from a shell with exec. Peak
 * resident memory and bytes read are the kernel's own counts (rusage). Anonymous memory is RssAnon
 * of /proc/PID/status, sampled every 20 ms or as -i says, because the kernel keeps no peak of it. A
 * sample costs the command nothing: status holds counters. smaps_rollup would walk the command's
 * page tables under its lock. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct watch {
	const char *result, *series;
	long interval_ms;
	FILE *points;
	pid_t child;
	double begin,
		busy; /* seconds: the clock, and the processors' work since boot, at the start */
	long peak_anonymous_kib;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The seconds since boot that all processors worked, or that the host took. */
static double busy_seconds(void)
{
	unsigned long long user, nice, system, idle, wait, irq, softirq, steal = 0;
	FILE *stat = fopen("/proc/stat", "r");
	int found = 0;

	if (stat) {
		found = fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
			       &system, &idle, &wait, &irq, &softirq, &steal);
		fclose(stat);
	}
	return found < 7 ? 0
			 : (double)(user + nice + system + irq + softirq + steal) /
				   (double)sysconf(_SC_CLK_TCK);
}

static double seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

/* Once the command has ended, status has no such lines; the numbers then stay. */
static void sample(struct watch *w)
{
	char line[256], path[64];
	long resident = -1, anonymous = -1;
	FILE *status;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)w->child);
	status = fopen(path, "r");
	if (!status)
		return;
	while (fgets(line, sizeof line, status)) {
		sscanf(line, "VmRSS: %ld", &resident);
		sscanf(line, "RssAnon: %ld", &anonymous);
	}
	fclose(status);
	if (anonymous > w->peak_anonymous_kib)
		w->peak_anonymous_kib = anonymous;
	if (w->points && resident >= 0)
		fprintf(w->points, "%.3f,%.1f,%.1f\n", now() - w->begin, (double)resident / 1024,
			(double)anonymous / 1024);
}

static void report(const struct watch *w, double seconds, const struct rusage *use, int status)
{
	const double user = seconds_of(use->ru_utime), system = seconds_of(use->ru_stime);
	const double others = (busy_seconds() - w->busy - user - system) /
			      (seconds * (double)sysconf(_SC_NPROCESSORS_ONLN));
	FILE *out = w->result ? fopen(w->result, "w") : stderr;

	if (!out) {
		fprintf(stderr, "watch_command: %s: %s\n", w->result, strerror(errno));
		exit(4);
	}
	fprintf(out, "%.4f %.3f %.3f %.1f %.1f %.1f %.3f %d\n", seconds, user, system,
		(double)use->ru_maxrss / 1024, (double)w->peak_anonymous_kib / 1024,
		(double)use->ru_inblock / 2048, others > 0 ? others : 0, status);
	if (w->result)
		fclose(out);
}

static pid_t start(char **command, const sigset_t *before)
{
	const pid_t child = fork();

	if (child)
		return child;
	sigprocmask(SIG_SETMASK, before, NULL);
	execvp(*command, command);
	fprintf(stderr, "watch_command: %s: %s\n", *command, strerror(errno));
	_exit(127);
}

/* Samples until the command ends, and returns its exit status. */
static int watch(struct watch *w, char **command)
{
	const struct timespec interval = {w->interval_ms / 1000, w->interval_ms % 1000 * 1000000};
	sigset_t wanted, before;
	struct rusage use;
	double seconds;
	int status;

	sigemptyset(&wanted);
	sigaddset(&wanted, SIGCHLD);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	w->busy = busy_seconds();
	w->begin = now();
	w->child = start(command, &before);
	if (w->child < 0) {
		fprintf(stderr, "watch_command: fork: %s\n", strerror(errno));
		return 1;
	}
	while (!wait4(w->child, &status, WNOHANG, &use)) {
		sample(w);
		sigtimedwait(&wanted, NULL, &interval);
	}
	seconds = now() - w->begin;
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	report(w, seconds, &use, status);
	return status;
}

static int usage(void)
{
	fputs("usage: watch_command [-r RESULT] [-s SERIES.csv] [-i MILLISECONDS] COMMAND "
	      "[ARGUMENT...]\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	struct watch w = {.interval_ms = 20};
	int option, status;

	while ((option = getopt(argc, argv, "+r:s:i:")) != -1) {
		if (option == 'r')
			w.result = optarg;
		else if (option == 's')
			w.series = optarg;
		else if (option == 'i')
			w.interval_ms = atol(optarg);
		else
			return usage();
	}
	if (optind == argc || w.interval_ms < 1)
		return usage();
	if (w.series) {
		w.points = fopen(w.series, "w");
		if (!w.points) {
			fprintf(stderr, "watch_command: %s: %s\n", w.series, strerror(errno));
			return 4;
		}
		fputs("seconds,resident_mib,anonymous_mib\n", w.points);
	}
	status = watch(&w, argv + optind);
	if (w.points)
		fclose(w.points);
	return status;
}
