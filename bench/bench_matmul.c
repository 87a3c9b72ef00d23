/* bench/bench_matmul.c: the matrix product and attention, as a share of the CPU's measured
 * multiply-add ceiling.
 *
 *   bench_matmul [threads]     (default 2)
 *
 * Checks each result first. Prints CSV, from the best of as many runs as take half a second:
 * GFLOP/s of wall time, and the share of what the same threads reach with the kernel's instruction
 * on registers alone. PRUNESCOPE_MATMUL chooses the micro-kernel. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/support_ceiling.h"
#include "core/base/rng.h"
#include "core/model/attention.h"
#include "core/model/matmul.h"

#define SECONDS 0.5
#define HEADS ((size_t)4)
#define QUERIES ((size_t)64)

struct bench {
	ps_pool *pool;
	int threads;
	bench_ceiling f32, bf16, int16; /* rate 0: the CPU has no such instruction */
};

struct product {
	ps_matmul *matmul;
	const float *x;
	size_t tokens;
	ps_weight w;
	float *y;
};

struct heads {
	size_t tokens, width;
	const float *q, *k, *v;
	float *out, *scratch; /* scratch: (threads, scratch_floats) */
	size_t scratch_floats;
	ps_kernel kernel;
	uint32_t *keys; /* ps_keys_words for each head */
};

typedef void (*task_fn)(const struct bench *b, void *task);

static void check(int code, const ps_diag *diag)
{
	if (code >= 0)
		return;
	fprintf(stderr, "bench_matmul: %s\n", diag->text);
	exit(1);
}

static void verify(const char *what, double error, double tolerance)
{
	if (error <= tolerance)
		return;
	fprintf(stderr, "bench_matmul: %s is off by %g\n", what, error);
	exit(1);
}

static void *buffer(size_t bytes)
{
	void *p = malloc(bytes);

	if (p)
		return p;
	fprintf(stderr, "bench_matmul: no memory\n");
	exit(1);
}

static float *draw(size_t n, uint64_t seed)
{
	float *x = buffer(n * sizeof *x);
	ps_rng rng = ps_rng_make(seed, 0);

	for (size_t i = 0; i < n; i++)
		x[i] = ps_rng_normal(&rng);
	return x;
}

/* The seconds of the fastest run. */
static double best(const struct bench *b, task_fn run, void *task)
{
	double fastest = INFINITY, begin = bench_now();

	for (int i = 0; i < 3 || bench_now() - begin < SECONDS; i++) {
		double start = bench_now();

		run(b, task);
		fastest = fmin(fastest, bench_now() - start);
	}
	return fastest;
}

static void run_product(const struct bench *b, void *task)
{
	const struct product *p = task;

	(void)b;
	ps_matmul_run(p->matmul, p->x, p->w.cols, p->tokens, &p->w, p->y, p->w.rows);
}

static void row(const struct bench *b, const char *what, const ps_kernel *kernel, const char *shape,
		double flop, double seconds)
{
	const double rate = flop / seconds * 1e-9, bf16 = b->bf16.rate, int16 = b->int16.rate;
	double ceiling = b->f32.rate;

	if (kernel->packing == PS_PACK_PAIRS && bf16 > 0)
		ceiling = bf16;
	if (kernel->packing == PS_PACK_INT16 && int16 > 0)
		ceiling = int16;
	printf("%s,\"%s\",%s,%d,%.6f,%.1f,%.2f\n", what, kernel->name, shape, b->threads, seconds,
	       rate, rate / ceiling);
}

static void ceiling_row(const struct bench *b, const bench_ceiling *ceiling)
{
	printf("ceiling,\"%s\",registers,%d,%.6f,%.1f,1.00\n", ceiling->name, b->threads,
	       ceiling->seconds, ceiling->rate);
}

/* The largest error of the first token's outputs against the reference. */
static double product_error(const struct product *p)
{
	float *exact = buffer(p->w.rows * sizeof *exact);
	double worst = 0;

	ps_matmul_ref(p->x, p->w.cols, 1, &p->w, exact, p->w.rows);
	for (size_t n = 0; n < p->w.rows; n++)
		worst = fmax(worst, fabs((double)exact[n] - (double)p->y[n]));
	free(exact);
	return worst;
}

static void bench_product(const struct bench *b, ps_precision precision, size_t tokens, size_t cols,
			  size_t rows, bool masked)
{
	ps_diag diag = {{0}};
	ps_arena arena = {0};
	struct product p = {.tokens = tokens,
			    .x = draw(tokens * cols, 1),
			    .y = buffer(tokens * rows * sizeof(float))};
	float *wide = draw(rows * cols, 2);
	uint16_t *data = buffer(rows * cols * sizeof *data);
	uint8_t *keep = buffer(rows * ps_bitmap_row_bytes(cols));
	static const double tolerance[PS_PRECISIONS] = {1e-4, 1e-2, 1e-3};
	ps_rng rng = ps_rng_make(3, 0);
	char shape[96];

	ps_narrow_bf16(wide, rows * cols, data);
	ps_bitmap_fill(keep, rows, cols);
	for (size_t i = 0; i < rows * cols; i++)
		if (ps_rng_below(&rng, 2))
			ps_bitmap_drop(keep + i / cols * ps_bitmap_row_bytes(cols), i % cols);
	p.w = (ps_weight){.data = data,
			  .dtype = PS_BF16,
			  .rows = rows,
			  .cols = cols,
			  .edit.keep = masked ? keep : NULL};
	check(ps_arena_create(&arena, ps_matmul_bytes(precision, b->threads, tokens, cols), &diag),
	      &diag);
	p.matmul = ps_matmul_create(precision, b->pool, tokens, cols, &arena);
	run_product(b, &p);
	verify("a product", product_error(&p), tolerance[precision] * sqrt((double)cols));
	snprintf(shape, sizeof shape, "T=%zu K=%zu N=%zu bf16%s", tokens, cols, rows,
		 masked ? " masked" : "");
	row(b, "matmul", ps_matmul_kernel(p.matmul), shape,
	    2.0 * (double)tokens * (double)cols * (double)rows, best(b, run_product, &p));
	ps_arena_destroy(&arena);
	free((float *)p.x);
	free(p.y);
	free(wide);
	free(data);
	free(keep);
}

static ps_attention attention_of(const struct heads *h, size_t head, size_t first, float *out)
{
	const size_t stride = HEADS * h->width, at = first * stride + head * h->width;

	return (ps_attention){
		.keys = {&h->kernel, h->width, h->tokens,
			 h->keys + head * ps_keys_words(&h->kernel, h->tokens, h->width)},
		.scale = 1 / sqrt((double)h->width),
		.q = h->q + at,
		.out = out + at,
		.q_stride = stride,
		.out_stride = stride};
}

static void pack_keys(void *context, size_t head, int worker)
{
	const struct heads *h = context;
	const ps_attention a = attention_of(h, head, 0, h->out);
	const size_t stride = HEADS * h->width, at = head * h->width;

	(void)worker;
	ps_keys_pack(&a.keys, 0, h->tokens, h->k + at, stride, h->v + at, stride);
}

static void attend(void *context, size_t item, int worker)
{
	const struct heads *h = context;
	const size_t first = item / HEADS * QUERIES,
		     count = h->tokens - first < QUERIES ? h->tokens - first : QUERIES;
	const ps_attention a = attention_of(h, item % HEADS, first, h->out);

	ps_attention_run(&a, first, count, h->scratch + (size_t)worker * h->scratch_floats);
}

static void run_attention(const struct bench *b, void *task)
{
	const struct heads *h = task;

	ps_pool_run(b->pool, HEADS, pack_keys, task);
	ps_pool_run(b->pool, ps_div_up(h->tokens, QUERIES) * HEADS, attend, task);
}

/* The largest error of head 0's output for the last query against the reference. */
static double attention_error(const struct heads *h)
{
	size_t last = (h->tokens - 1) * HEADS * h->width;
	float *exact = buffer((last + h->width) * sizeof *exact);
	double worst = 0, *scratch = buffer(h->tokens * sizeof *scratch);
	const ps_attention a = attention_of(h, 0, h->tokens - 1, exact);

	ps_attention_ref(&a, h->k, h->v, HEADS * h->width, h->tokens - 1, 1, scratch);
	for (size_t d = 0; d < h->width; d++)
		worst = fmax(worst, fabs((double)exact[last + d] - (double)h->out[last + d]));
	free(exact);
	free(scratch);
	return worst;
}

static void bench_attention(const struct bench *b, ps_precision precision, size_t tokens,
			    size_t width)
{
	size_t n = tokens * HEADS * width;
	float *q = draw(n, 1), *k = draw(n, 2), *v = draw(n, 3);
	struct heads h = {.tokens = tokens,
			  .width = width,
			  .q = q,
			  .k = k,
			  .v = v,
			  .out = buffer(n * sizeof(float)),
			  .kernel = ps_kernel_choose(precision)};
	ps_diag diag = {{0}};
	ps_arena arena;
	size_t scratch_bytes,
		key_bytes = HEADS * ps_keys_words(&h.kernel, tokens, width) * sizeof(uint32_t);
	char shape[64];

	h.scratch_floats = ps_round_up(ps_attention_scratch(&h.kernel, tokens, width), 16);
	scratch_bytes = (size_t)b->threads * h.scratch_floats * sizeof(float);
	check(ps_arena_create(&arena, key_bytes + scratch_bytes + 2 * PS_ALIGN, &diag), &diag);
	h.keys = ps_arena_take(&arena, key_bytes);
	h.scratch = ps_arena_take(&arena, scratch_bytes);
	run_attention(b, &h);
	verify("attention", attention_error(&h), precision == PS_PRECISION_BF16 ? 2e-2 : 1e-5);
	snprintf(shape, sizeof shape, "T=%zu d=%zu H=%zu causal", tokens, width, HEADS);
	row(b, "attention", &h.kernel, shape, 2.0 * (double)(tokens * (tokens + 1) * width * HEADS),
	    best(b, run_attention, &h));
	ps_arena_destroy(&arena);
	free(q);
	free(k);
	free(v);
	free(h.out);
}

static void bench_precision(const struct bench *b, ps_precision precision)
{
	for (int masked = 0; masked < 2; masked++) {
		bench_product(b, precision, 2048, 640, 2048, masked);
		bench_product(b, precision, 2048, 1152, 6912, masked);
		bench_product(b, precision, 2048, 6912, 1152, masked);
		bench_product(b, precision, 16, 640, 2048, masked);
	}
	bench_product(b, precision, 2048, 640, 32, false);
	if (precision == PS_PRECISION_INT16) /* its attention is that of f32 */
		return;
	bench_attention(b, precision, 256, 256);
	bench_attention(b, precision, 1024, 64);
	bench_attention(b, precision, 2048, 128);
}

int main(int argc, char **argv)
{
	struct bench b = {.threads = argc > 1 ? atoi(argv[1]) : 2};
	ps_diag diag = {{0}};

	if (b.threads < 1) {
		fprintf(stderr, "usage: bench_matmul [threads]\n");
		return 2;
	}
	check(ps_pool_create(&b.pool, b.threads, &diag), &diag);
	bench_ceiling_f32(b.pool, &b.f32);
	puts("bench,kernel,shape,threads,seconds,gflops,share_of_ceiling");
	ceiling_row(&b, &b.f32);
	if (bench_ceiling_bf16(b.pool, &b.bf16))
		ceiling_row(&b, &b.bf16);
	if (bench_ceiling_int16(b.pool, &b.int16))
		ceiling_row(&b, &b.int16);
	bench_precision(&b, PS_PRECISION_F32);
	bench_precision(&b, PS_PRECISION_BF16);
	bench_precision(&b, PS_PRECISION_INT16);
	ps_pool_destroy(b.pool);
	return 0;
}
