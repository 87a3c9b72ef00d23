/* bench/bench_train.c: tokens per second of SAE training from rows in memory.
 *
 *   bench_train [D F K batch threads steps]     (default 640 5120 64 4096 2 5)
 * Checks first that one and two threads take a step to the same bits. Prints one CSV line with its header:
 * median over the steps, and the encoder's share of the arithmetic as GFLOP/s (2 B D F per step). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "sae/train.h"

struct shape {
	size_t d, f, k, batch;
	int threads, steps;
};

struct rows {
	const float *data;
	size_t width;
};

static int gather(void *self, const uint64_t *ids, size_t count, float *out, ps_diag *diag)
{
	const struct rows *rows = self;

	(void)diag;
	for (size_t i = 0; i < count; i++)
		memcpy(out + i * rows->width, rows->data + ids[i] * rows->width, rows->width * sizeof *out);
	return 0;
}

static void check(int code, const ps_diag *diag)
{
	if (code >= 0)
		return;
	fprintf(stderr, "bench_train: %s\n", diag->text);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Runs `steps` steps after one to warm up; seconds (steps) or NULL. Returns the last loss. */
static double run(const struct shape *s, const ps_row_source *source, const ps_row_list *list, int threads, int steps, double *seconds)
{
	const ps_train_options options = {
		.d_sae = s->f, .k = s->k, .batch = s->batch, .tokens = s->batch * (uint64_t)(steps + 1), .lr = 1e-3,
		.dead_after_tokens = 1000000, .init_seed = 1, .data_seed = 2,
	};
	ps_diag diag = {0};
	ps_context context = {.diag = &diag};
	ps_train_step step = {0};
	ps_trainer *trainer;
	ps_arena arena;

	check(ps_pool_create(&context.pool, threads, &diag), &diag);
	check(ps_arena_create(&arena, ps_trainer_bytes(s->d, &options, threads), &diag), &diag);
	check(ps_trainer_create(&trainer, &options, source, list, &context, &arena), &diag);
	for (int i = 0; i <= steps; i++) {
		const double start = now();

		check(ps_trainer_step(trainer, &step), &diag);
		if (i && seconds)
			seconds[i - 1] = now() - start;
	}
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
	return step.loss;
}

static void fill(float *data, uint64_t *ids, size_t rows, size_t d)
{
	ps_rng rng = ps_rng_make(1, 1);

	for (size_t i = 0; i < rows * d; i++)
		data[i] = (float)(4 * ps_rng_uniform(&rng) - 1);
	for (size_t i = 0; i < rows; i++)
		ids[i] = i;
}

static void measure(const struct shape *s)
{
	const size_t count = 4 * s->batch;
	float *data = malloc(count * s->d * sizeof *data);
	uint64_t *ids = malloc(count * sizeof *ids);
	double *seconds = malloc((size_t)s->steps * sizeof *seconds), median;
	struct rows rows = {.data = data, .width = s->d};
	const ps_row_source source = {.self = &rows, .rows = count, .width = s->d, .gather = gather};
	const ps_row_list list = {.ids = ids, .count = count};

	fill(data, ids, count, s->d);
	if (run(s, &source, &list, 1, 1, NULL) != run(s, &source, &list, 2, 1, NULL)) {
		fprintf(stderr, "bench_train: one and two threads disagree\n");
		exit(1);
	}
	run(s, &source, &list, s->threads, s->steps, seconds);
	qsort(seconds, (size_t)s->steps, sizeof *seconds, by_value);
	median = seconds[s->steps / 2];
	printf("d_in,d_sae,k,batch,threads,steps,tokens_per_s,best_tokens_per_s,encoder_gflops\n");
	printf("%zu,%zu,%zu,%zu,%d,%d,%.0f,%.0f,%.1f\n", s->d, s->f, s->k, s->batch, s->threads, s->steps, (double)s->batch / median,
	       (double)s->batch / seconds[0], 2e-9 * (double)s->batch * (double)s->d * (double)s->f / median);
	free(data);
	free(ids);
	free(seconds);
}

int main(int argc, char **argv)
{
	struct shape s = {640, 5120, 64, 4096, 2, 5};

	if (argc > 6)
		s = (struct shape){strtoull(argv[1], NULL, 10), strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
				   strtoull(argv[4], NULL, 10), atoi(argv[5]), atoi(argv[6])};
	if (!s.d || !s.f || !s.k || !s.batch || s.threads < 1 || s.steps < 1) {
		fprintf(stderr, "usage: bench_train [D F K batch threads steps]\n");
		return 2;
	}
	measure(&s);
	return 0;
}
