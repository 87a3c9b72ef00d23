/* bench/bench_ceiling.c: measures the ceilings that every other measurement is a share of.
 *
 *   bench_ceiling [threads]     (default: all processors)
 *
 * Prints CSV: arithmetic on registers in GFLOP/s, and memory in GB/s. Instructions that the CPU
 * does not have are left out. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/support_ceiling.h"

static void row(const bench_ceiling *c, int threads, const char *unit)
{
	printf("%s,%d,%.6f,%.1f,%s\n", c->name, threads, c->seconds, c->rate, unit);
}

static bool run(ps_pool *pool, int threads)
{
	bench_ceiling c;

	puts("ceiling,threads,seconds,rate,unit");
	bench_ceiling_f32(pool, &c);
	row(&c, threads, "GFLOP/s");
	if (bench_ceiling_bf16(pool, &c))
		row(&c, threads, "GFLOP/s");
	if (bench_ceiling_int16(pool, &c))
		row(&c, threads, "GFLOP/s");
	if (!bench_ceiling_read(pool, &c))
		return false;
	row(&c, threads, "GB/s");
	if (!bench_ceiling_copy(pool, &c))
		return false;
	row(&c, threads, "GB/s");
	return true;
}

int main(int argc, char **argv)
{
	const int threads = argc > 1 ? atoi(argv[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
	ps_diag diag = {{0}};
	ps_pool *pool;
	bool done;

	if (threads < 1) {
		fputs("usage: bench_ceiling [threads]\n", stderr);
		return 2;
	}
	if (ps_pool_create(&pool, threads, &diag)) {
		fprintf(stderr, "bench_ceiling: %s\n", diag.text);
		return 1;
	}
	done = run(pool, threads);
	if (!done)
		fputs("bench_ceiling: no memory\n", stderr);
	ps_pool_destroy(pool);
	return done ? 0 : 1;
}
