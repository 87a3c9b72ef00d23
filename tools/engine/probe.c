#include "tools/engine/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/clock.h"

#define PROBE_SECONDS 0.1
#define LONG_SECONDS 0.15 /* of a call that is not made twice */
#define RUNS_LEAST 3
#define RUNS_MAX 200
#define WRITE_BYTES ((size_t)8 << 20)
#define WRITE_LITTLE ((size_t)4096)

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int ps_probe_time(ps_probe_fn fn, void *context, double *seconds)
{
	double run[RUNS_MAX], started = ps_clock();
	size_t runs = 0;
	int rc = fn(context);

	run[0] = ps_clock() - started;
	started = ps_clock();
	while (!rc && run[0] < LONG_SECONDS && runs < RUNS_MAX &&
	       (runs < RUNS_LEAST || ps_clock() - started < PROBE_SECONDS)) {
		double begun = ps_clock();

		rc = fn(context);
		run[runs++] = ps_clock() - begun;
	}
	qsort(run, runs, sizeof *run, by_size);
	*seconds = run[runs / 2];
	return rc;
}

/* The file has no name, so that it is gone once it is closed. */
static double time_write(const char *folder, const char *bytes, size_t count)
{
	int fd = TEMP_FAILURE_RETRY(open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
	double started = ps_clock();
	bool written = fd >= 0 && write(fd, bytes, count) == (ssize_t)count && !fsync(fd);
	double seconds = ps_clock() - started;

	if (fd >= 0)
		close(fd);
	return written ? seconds : 0;
}

/* The nearest folder above path that exists, into folder (PATH_MAX). */
static void find_folder(const char *path, char *folder)
{
	char *slash;

	snprintf(folder, PATH_MAX, "%s", path);
	do {
		slash = strrchr(folder, '/');
		if (!slash)
			strcpy(folder, ".");
		else
			slash[slash == folder] = 0;
	} while (access(folder, F_OK) && strcmp(folder, "/") && strcmp(folder, "."));
}

ps_probe_writing ps_probe_write(const char *path)
{
	char folder[PATH_MAX], *bytes = calloc(1, WRITE_BYTES);
	ps_probe_writing writing = {0};

	if (!bytes)
		return writing;
	find_folder(path, folder);
	writing.file_seconds = time_write(folder, bytes, WRITE_LITTLE);
	writing.byte_seconds =
		fmax(time_write(folder, bytes, WRITE_BYTES) - writing.file_seconds, 0) /
		(double)WRITE_BYTES;
	free(bytes);
	return writing;
}
