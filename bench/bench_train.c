/* bench/bench_train.c: tokens per second of SAE training from rows in memory.
 *
 *   bench_train [D F K batch threads steps]     (default 640 5120 64 4096 2 5)
 * First it checks that one and two threads take a step to the same bits, and that the screened
 * encoding lists what the plain one lists. Then it prints one CSV line with its header:
 *   tokens_per_s       from the median step; best_tokens_per_s: from the best one
 *   step_ms            the best step
 *   encode_ms, backward_ms
 *                      parts of a step, each run by itself on the same rows, the best of `steps`
 *                      times. encode: the codes of a batch. backward: errors, gradients of the
 *                      activations, and the lists by latent
 *   rest_ms            step_ms without these two: fetching rows and updating latents
 *   cpu_ms             the process's CPU time for its cheapest step. Other work on the machine
 *                      disturbs it less than the clock
 *   dense_gflops       the dense arithmetic that a step replaces, 2 B D F, at the median's speed
 *   peak_mib           the process's peak memory, rows included */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/resource.h>

#include "core/base/rng.h"
#include "sae/branch.h"
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
		memcpy(out + i * rows->width, rows->data + ids[i] * rows->width,
		       rows->width * sizeof *out);
	return 0;
}

static void check(int rc, const ps_diag *diag)
{
	if (!rc)
		return;
	fprintf(stderr, "bench_train: %s\n", diag->text);
	exit(1);
}

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double now(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Takes one step to warm up and then `steps` steps. seconds (steps) gets their times and *cpu the
 * least CPU time of one; both may be NULL. Returns the last loss. */
static double run(const struct shape *s, const ps_row_source *source, const ps_row_list *list,
		  int threads, int steps, double *seconds, double *cpu)
{
	const ps_train_options options = {
		.arch = PS_TRAIN_TOPK,
		.d_sae = s->f,
		.k = s->k,
		.batch = s->batch,
		.tokens = s->batch * (uint64_t)(steps + 1),
		.lr = 1e-3,
		.adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
		.b_dec = PS_B_DEC_MEAN,
		.decoder_norm = 1,
		.encoder_scale = 1,
		.unit_decoder = true,
		.init_seed = 1,
		.data_seed = 2,
	};
	ps_diag diag = {0};
	ps_context context = {.diag = &diag};
	ps_train_step step = {0};
	ps_trainer *trainer;
	ps_arena arena;

	check(ps_pool_create(&context.pool, threads, &diag), &diag);
	check(ps_arena_create(&arena, ps_trainers_bytes(s->d, &options, 1, threads), &diag), &diag);
	check(ps_trainers_create(&trainer, &options, 1, source, list, &context, &arena), &diag);
	for (int i = 0; i <= steps; i++) {
		const double start = now(), cpu_start = seconds_of(CLOCK_PROCESS_CPUTIME_ID);

		check(ps_trainers_step(&trainer, 1, &step), &diag);
		if (i && seconds)
			seconds[i - 1] = now() - start;
		if (i && cpu)
			*cpu = fmin(*cpu, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu_start);
	}
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
	return step.loss;
}

struct parts {
	double encode, backward; /* seconds, best */
};

static void random_sae(const ps_sae *sae)
{
	ps_rng rng = ps_rng_make(3, 1);

	for (size_t i = 0; i < sae->d_in * sae->d_sae; i++)
		sae->enc[i] = sae->dec[i] =
			(float)((ps_rng_uniform(&rng) - 0.5) * sqrt(12.0 / (double)sae->d_in));
}

/* What the parts need when they run by themselves. */
struct bench {
	ps_sae sae;
	ps_encoder *plain_encoder, *encoder;
	ps_codes plain;
	ps_branch branch;
};

/* The encoder of the plain path, whatever PRUNESCOPE_SCREEN asks for. */
static ps_encoder *lay_out_plain_encoder(ps_sae_layout *layout, const ps_sae *sae, size_t batch)
{
	static const char name[] = "PRUNESCOPE_SCREEN";
	char *wish = getenv(name) ? strdup(getenv(name)) : NULL;
	ps_encoder *encoder;

	setenv(name, "plain", 1);
	encoder = ps_encoder_lay_out(layout, sae, batch);
	if (wish)
		setenv(name, wish, 1);
	else
		unsetenv(name);
	free(wish);
	return encoder;
}

static void lay_out(ps_sae_layout *layout, const struct shape *s, struct bench *b)
{
	b->sae = (ps_sae){.arch = PS_SAE_TOPK, .d_in = s->d, .d_sae = s->f, .k = s->k};
	ps_sae_lay_out(layout, &b->sae);
	b->plain_encoder = lay_out_plain_encoder(layout, &b->sae, s->batch);
	b->encoder = ps_encoder_lay_out(layout, &b->sae, s->batch);
	ps_codes_lay_out(layout, &b->plain, &b->sae, s->batch);
	ps_branch_lay_out(layout, &b->branch, &b->sae, s->batch);
}

static void check_codes(const struct shape *s, const ps_codes *plain, const ps_codes *codes)
{
	const size_t entries = plain->start[s->batch];

	if (memcmp(plain->start, codes->start, (s->batch + 1) * sizeof *plain->start) ||
	    memcmp(plain->index, codes->index, entries * sizeof *plain->index) ||
	    memcmp(plain->value, codes->value, entries * sizeof *plain->value)) {
		fprintf(stderr, "bench_train: the screened encoding is not the plain one\n");
		exit(1);
	}
}

/* Times the encoding and the backward pass by themselves, for a random SAE. */
static struct parts run_parts(const struct shape *s, const float *x)
{
	ps_diag diag = {0};
	ps_context context = {.diag = &diag};
	ps_sae_layout layout = ps_sae_layout_count(s->threads);
	struct parts parts = {INFINITY, INFINITY};
	struct bench b;
	ps_arena arena;

	check(ps_pool_create(&context.pool, s->threads, &diag), &diag);
	lay_out(&layout, s, &b);
	check(ps_arena_create(&arena, layout.parts.bytes, &diag), &diag);
	layout = ps_sae_layout_in(&arena, &context);
	lay_out(&layout, s, &b);
	random_sae(&b.sae);
	ps_encoder_run(b.plain_encoder, x, s->batch, &b.plain);
	for (int i = 0; i < s->steps; i++) {
		const double start = now();

		ps_encoder_run(b.encoder, x, s->batch, &b.branch.codes);
		parts.encode = fmin(parts.encode, now() - start);
	}
	check_codes(s, &b.plain, &b.branch.codes);
	for (int i = 0; i < s->steps; i++) {
		const double start = now();

		ps_branch_backward(&b.branch, b.sae.dec, s->d, x, -1, 1e-6f);
		parts.backward = fmin(parts.backward, now() - start);
	}
	ps_arena_destroy(&arena);
	ps_pool_destroy(context.pool);
	return parts;
}

static void fill(float *data, size_t rows, size_t d)
{
	ps_rng rng = ps_rng_make(1, 1);

	for (size_t i = 0; i < rows * d; i++)
		data[i] = (float)(4 * ps_rng_uniform(&rng) - 1);
}

static void measure(const struct shape *s)
{
	const size_t count = 4 * s->batch;
	float *data = malloc(count * s->d * sizeof *data);
	double *seconds = malloc((size_t)s->steps * sizeof *seconds), median, cpu = INFINITY;
	struct rusage usage;
	struct parts parts;
	struct rows rows = {.data = data, .width = s->d};
	const ps_row_source source = {
		.self = &rows, .rows = count, .width = s->d, .gather = gather};
	const ps_row_list list = {.count = count};

	fill(data, count, s->d);
	if (run(s, &source, &list, 1, 1, NULL, NULL) != run(s, &source, &list, 2, 1, NULL, NULL)) {
		fprintf(stderr, "bench_train: one and two threads disagree\n");
		exit(1);
	}
	run(s, &source, &list, s->threads, s->steps, seconds, &cpu);
	qsort(seconds, (size_t)s->steps, sizeof *seconds, by_value);
	median = seconds[s->steps / 2];
	getrusage(RUSAGE_SELF, &usage);
	parts = run_parts(s, data);
	printf("d_in,d_sae,k,batch,threads,steps,tokens_per_s,best_tokens_per_s,step_ms,encode_ms,"
	       "backward_ms,rest_ms,cpu_ms,dense_gflops,peak_mib\n");
	printf("%zu,%zu,%zu,%zu,%d,%d,%.0f,%.0f,%.1f,%.1f,%.1f,%.1f,%.1f,%.1f,%.0f\n", s->d, s->f,
	       s->k, s->batch, s->threads, s->steps, (double)s->batch / median,
	       (double)s->batch / seconds[0], 1e3 * seconds[0], 1e3 * parts.encode,
	       1e3 * parts.backward, 1e3 * (seconds[0] - parts.encode - parts.backward), 1e3 * cpu,
	       2e-9 * (double)s->batch * (double)s->d * (double)s->f / median,
	       (double)usage.ru_maxrss / 1024);
	free(data);
	free(seconds);
}

int main(int argc, char **argv)
{
	struct shape s = {640, 5120, 64, 4096, 2, 5};

	if (argc > 6)
		s = (struct shape){strtoull(argv[1], NULL, 10),
				   strtoull(argv[2], NULL, 10),
				   strtoull(argv[3], NULL, 10),
				   strtoull(argv[4], NULL, 10),
				   atoi(argv[5]),
				   atoi(argv[6])};
	if (!s.d || !s.f || !s.k || !s.batch || s.threads < 1 || s.steps < 1) {
		fprintf(stderr, "usage: bench_train [D F K batch threads steps]\n");
		return 2;
	}
	measure(&s);
	return 0;
}
