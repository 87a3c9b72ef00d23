#include "tools/engine/probe.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/model/matmul.h"

#define PROBE_SECONDS 0.1
#define LONG_SECONDS 0.15 /* of a call that is not made twice */
#define RUNS_LEAST 3
#define RUNS_MAX 200
#define PROBE_TOKENS ((size_t)1024)
#define PROBE_WIDTH ((size_t)512)
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

struct product {
	ps_matmul *matmul;
	ps_weight w;
	float *x, *y;
};

static int multiply(void *context)
{
	struct product *p = context;

	ps_matmul_run(p->matmul, p->x, PROBE_WIDTH, PROBE_TOKENS, &p->w, p->y, PROBE_WIDTH);
	return 0;
}

int ps_probe_product(ps_session *s, double *rate)
{
	ps_arena arena = {0};
	struct product p = {.w = {.dtype = PS_F32, .rows = PROBE_WIDTH, .cols = PROBE_WIDTH}};
	size_t bytes = (2 * PROBE_TOKENS + PROBE_WIDTH) * PROBE_WIDTH * sizeof(float);
	double seconds = 0;
	int rc = ps_arena_create(
		&arena,
		bytes + ps_matmul_bytes(s->precision, s->threads, PROBE_TOKENS, PROBE_WIDTH) +
			4 * PS_ALIGN,
		&s->diag);

	if (rc)
		goto out;
	p.matmul = ps_matmul_create(s->precision, s->pool, PROBE_TOKENS, PROBE_WIDTH, &arena);
	p.x = ps_arena_take(&arena, PROBE_TOKENS * PROBE_WIDTH * sizeof *p.x);
	p.y = ps_arena_take(&arena, PROBE_TOKENS * PROBE_WIDTH * sizeof *p.y);
	p.w.data = ps_arena_take(&arena, PROBE_WIDTH * PROBE_WIDTH * sizeof *p.x);
	rc = ps_probe_time(multiply, &p, &seconds);
	*rate = 2.0 * (double)(PROBE_TOKENS * PROBE_WIDTH * PROBE_WIDTH) / seconds;
out:
	ps_arena_destroy(&arena);
	return rc;
}

/* The file is nobody's: it has no name. */
static double time_write(const char *folder, const char *bytes, size_t count)
{
	int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	double started = ps_clock();
	bool written = fd >= 0 && write(fd, bytes, count) == (ssize_t)count && !fsync(fd);
	double seconds = ps_clock() - started;

	if (fd >= 0)
		close(fd);
	return written ? seconds : 0;
}

ps_probe_writing ps_probe_write(const char *folder)
{
	char *bytes = calloc(1, WRITE_BYTES);
	ps_probe_writing writing = {0};

	if (!bytes)
		return writing;
	writing.file_seconds = time_write(folder, bytes, WRITE_LITTLE);
	writing.byte_seconds =
		fmax(time_write(folder, bytes, WRITE_BYTES) - writing.file_seconds, 0) /
		(double)WRITE_BYTES;
	free(bytes);
	return writing;
}
