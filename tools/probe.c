#include "tools/probe.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/matmul.h"
#include "tools/clock.h"

#define PROBE_SECONDS 0.15
#define PROBE_TOKENS ((size_t)1024)
#define PROBE_WIDTH ((size_t)512)
#define WRITE_BYTES ((size_t)8 << 20)

int ps_probe_time(ps_probe_fn fn, void *context, double *seconds)
{
	double started = ps_clock(), now;
	size_t runs = 0;
	int rc = fn(context);

	*seconds = ps_clock() - started;
	if (rc || *seconds > PROBE_SECONDS)
		return rc;
	started = ps_clock();
	do {
		rc = fn(context);
		runs++;
		now = ps_clock();
	} while (!rc && now - started < PROBE_SECONDS);
	*seconds = (now - started) / (double)runs;
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

	ps_matmul_run(p->matmul, p->x, PROBE_WIDTH, PROBE_TOKENS, &p->w, p->y, PROBE_WIDTH, false);
	return 0;
}

int ps_probe_product(ps_session *s, double *rate)
{
	ps_arena arena = {0};
	struct product p = {.w = {.dtype = PS_F32, .rows = PROBE_WIDTH, .cols = PROBE_WIDTH}};
	size_t bytes = (2 * PROBE_TOKENS + PROBE_WIDTH) * PROBE_WIDTH * sizeof(float);
	double seconds = 0;
	int rc = ps_arena_create(&arena, bytes + ps_matmul_bytes(s->precision, s->threads, PROBE_TOKENS, PROBE_WIDTH) + 4 * PS_ALIGN, &s->diag);

	if (!rc)
		rc = ps_matmul_create(&p.matmul, s->precision, s->pool, PROBE_TOKENS, PROBE_WIDTH, &arena, &s->diag);
	if (rc)
		goto out;
	p.x = ps_arena_take(&arena, PROBE_TOKENS * PROBE_WIDTH * sizeof *p.x);
	p.y = ps_arena_take(&arena, PROBE_TOKENS * PROBE_WIDTH * sizeof *p.y);
	p.w.data = ps_arena_take(&arena, PROBE_WIDTH * PROBE_WIDTH * sizeof *p.x);
	rc = ps_probe_time(multiply, &p, &seconds);
	*rate = 2.0 * (double)(PROBE_TOKENS * PROBE_WIDTH * PROBE_WIDTH) / seconds;
out:
	ps_arena_destroy(&arena);
	return rc;
}

double ps_probe_write(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char *bytes = fd < 0 ? NULL : calloc(1, WRITE_BYTES);
	double started = ps_clock(), seconds;
	bool written = bytes && write(fd, bytes, WRITE_BYTES) == (ssize_t)WRITE_BYTES && !fsync(fd);

	seconds = ps_clock() - started;
	free(bytes);
	if (fd >= 0)
		close(fd);
	return written && seconds > 0 ? (double)WRITE_BYTES / seconds : 0;
}
