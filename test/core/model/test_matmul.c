/* The matrix product, with each micro-kernel: it agrees with double precision and keeps its
 * promises about bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "core/base/checked.h"
#include "core/base/rng.h"
#include "core/model/matmul.h"
#include "test/support/support_close.h"

#define TOLERANCE 1e-6      /* of sum |x w| of the element */
#define LONG_TOLERANCE 3e-7 /* if every sum has at least a thousand terms */
#define INT16_TOLERANCE 4e-4
#define GAP 5 /* floats between rows that no product may touch */
#define UNTOUCHED 12345.0f

static const char *const kernels[] = {"blis", "avx2", "avx512", "avx512_bf16", "ref"};

#define KERNELS (sizeof kernels / sizeof *kernels)

/* What promises hold for: a precision, and a kernel. All kernels of int16 agree in every bit
 * (test_int16), so the best and the portable one stand for them. */
static const struct way {
	const char *kernel; /* "best": no row has this name */
	ps_precision precision;
} ways[] = {
	{"blis", PS_PRECISION_F32},         {"avx2", PS_PRECISION_F32},
	{"avx512", PS_PRECISION_F32},       {"ref", PS_PRECISION_F32},
	{"avx512_bf16", PS_PRECISION_BF16}, {"ref", PS_PRECISION_BF16},
	{"best", PS_PRECISION_INT16},       {"ref", PS_PRECISION_INT16},
};

#define WAYS (sizeof ways / sizeof *ways)

/* Y (T, N) = X (T, K) W^T with operands drawn from a seed. */
struct problem {
	size_t tokens, rows, cols, x_stride, y_stride;
	float *x, *y, *wide; /* wide (N, K): the weights in f32, 0 if masked */
	void *data;
	uint8_t *keep;
	ps_weight w;
};

struct bench {
	ps_pool *pool;
	ps_arena arena;
	ps_matmul *matmul;
};

static void bench_open_as(struct bench *b, ps_precision precision, const char *kernel, int threads,
			  size_t max_tokens, size_t max_k)
{
	ps_diag diag = {{0}};

	*b = (struct bench){0};
	setenv("PRUNESCOPE_MATMUL", kernel, 1);
	assert_int_equal(ps_pool_create(&b->pool, threads, &diag), 0);
	assert_int_equal(ps_arena_create(&b->arena,
					 ps_matmul_bytes(precision, threads, max_tokens, max_k),
					 &diag),
			 0);
	b->matmul = ps_matmul_create(precision, b->pool, max_tokens, max_k, &b->arena);
	unsetenv("PRUNESCOPE_MATMUL");
}

static void bench_open(struct bench *b, const char *kernel, int threads, size_t max_tokens,
		       size_t max_k)
{
	bench_open_as(b, PS_PRECISION_F32, kernel, threads, max_tokens, max_k);
}

static void bench_open_way(struct bench *b, size_t way, int threads, size_t max_tokens,
			   size_t max_k)
{
	bench_open_as(b, ways[way].precision, ways[way].kernel, threads, max_tokens, max_k);
}

static void bench_close(struct bench *b)
{
	ps_arena_destroy(&b->arena);
	ps_pool_destroy(b->pool);
}

static void *buffer(size_t bytes)
{
	void *p = calloc(bytes + 1, 1);

	assert_non_null(p);
	return p;
}

/* Stores a weight in its dtype, and returns its value in f32. */
static float store_weight(char *at, ps_dtype dtype, ps_rng *rng)
{
	float value = ps_rng_normal(rng);
	uint16_t half = dtype == PS_BF16 ? ps_f32_to_bf16(value)
					 : (uint16_t)(ps_rng_below(rng, 2) << 15 |
						      (10 + ps_rng_below(rng, 7)) << 10 |
						      ps_rng_below(rng, 1024));

	memcpy(at, dtype == PS_F32 ? (const void *)&value : &half, ps_dtype_size(dtype));
	ps_widen(at, dtype, 1, &value);
	return value;
}

static struct problem problem_make(size_t tokens, size_t rows, size_t cols, ps_dtype dtype,
				   bool masked, uint64_t seed)
{
	struct problem p = {.tokens = tokens,
			    .rows = rows,
			    .cols = cols,
			    .x_stride = cols + GAP,
			    .y_stride = rows + GAP};
	ps_rng rng = ps_rng_make(seed, 0);
	size_t width = ps_dtype_size(dtype);

	p.x = buffer(tokens * p.x_stride * sizeof(float));
	p.y = buffer(tokens * p.y_stride * sizeof(float));
	p.wide = buffer(rows * cols * sizeof(float));
	p.data = buffer(rows * cols * width);
	p.keep = buffer(rows * ps_bitmap_row_bytes(cols));
	for (size_t i = 0; i < tokens * p.x_stride; i++)
		p.x[i] = i % p.x_stride < cols ? ps_rng_normal(&rng) : NAN;
	for (size_t i = 0; i < tokens * p.y_stride; i++)
		p.y[i] = UNTOUCHED;
	for (size_t i = 0; i < rows * cols; i++)
		p.wide[i] = store_weight((char *)p.data + i * width, dtype, &rng);
	ps_bitmap_fill(p.keep, rows, cols);
	for (size_t i = 0; masked && i < rows * cols; i++)
		if (ps_rng_below(&rng, 2)) {
			ps_bitmap_drop(p.keep + i / cols * ps_bitmap_row_bytes(cols), i % cols);
			p.wide[i] = 0;
		}
	p.w = (ps_weight){.data = p.data,
			  .dtype = dtype,
			  .rows = rows,
			  .cols = cols,
			  .edit.keep = masked ? p.keep : NULL};
	return p;
}

static void problem_free(struct problem *p)
{
	free(p->x);
	free(p->y);
	free(p->wide);
	free(p->data);
	free(p->keep);
}

static void run(const struct bench *b, const struct problem *p)
{
	ps_matmul_run(b->matmul, p->x, p->x_stride, p->tokens, &p->w, p->y, p->y_stride);
}

/* Adds the errors of Y, as shares of sum |x w|. */
static void add_elements(closeness *c, const struct problem *p)
{
	for (size_t t = 0; t < p->tokens; t++)
		for (size_t n = 0; n < p->rows; n++) {
			double sum = 0, size = 0;

			for (size_t k = 0; k < p->cols; k++) {
				double product = (double)p->x[t * p->x_stride + k] *
						 (double)p->wide[n * p->cols + k];

				sum += product;
				size += fabs(product);
			}
			closeness_add(c, (double)p->y[t * p->y_stride + n], sum, size);
		}
}

static void assert_gaps_untouched(const struct problem *p)
{
	for (size_t t = 0; t < p->tokens; t++)
		for (size_t n = p->rows; n < p->y_stride; n++)
			assert_true(p->y[t * p->y_stride + n] == UNTOUCHED);
}

static void assert_same_y(const struct problem *p, const float *y)
{
	assert_memory_equal(p->y, y, p->tokens * p->y_stride * sizeof(float));
}

static float *copy_y(const struct problem *p)
{
	size_t bytes = p->tokens * p->y_stride * sizeof(float);

	return memcpy(buffer(bytes), p->y, bytes);
}

/* Must be the first test: BLIS reads its environment once, and would abort on this value. */
static void unknown_blis_architecture_in_the_environment_is_ignored(void **state)
{
	struct bench b;

	(void)state;
	setenv("BLIS_ARCH_TYPE", "nonsense", 1);
	bench_open(&b, "blis", 1, 8, 8);
	print_message("kernel %s\n", ps_matmul_kernel(b.matmul)->name);
	assert_memory_equal(ps_matmul_kernel(b.matmul)->name, "blis", 4);
	bench_close(&b);
}

static void any_shape_and_dtype_matches_double_precision(void **state)
{
	static const ps_dtype dtypes[] = {PS_BF16, PS_F16, PS_F32};
	ps_rng rng = ps_rng_make(1, 1);

	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct bench b;
		closeness c = {0};

		bench_open(&b, kernels[k], 2, 200, 300);
		for (uint64_t i = 0; i < 60; i++) {
			struct problem p = problem_make(
				1 + ps_rng_below(&rng, 200), 1 + ps_rng_below(&rng, 300),
				1 + ps_rng_below(&rng, 300), dtypes[i % 3], i / 3 % 2, i);

			run(&b, &p);
			add_elements(&c, &p);
			assert_gaps_untouched(&p);
			problem_free(&p);
		}
		assert_closeness(&c, ps_matmul_kernel(b.matmul)->name, TOLERANCE);
		bench_close(&b);
	}
}

static void long_sums_and_many_tokens_match_double_precision(void **state)
{
	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct problem p = problem_make(1100, 37, 1031, PS_BF16, true, 7);
		struct bench b;
		closeness c = {0};

		bench_open(&b, kernels[k], 2, 1100, 1031);
		run(&b, &p);
		add_elements(&c, &p);
		assert_closeness(&c, ps_matmul_kernel(b.matmul)->name, LONG_TOLERANCE);
		assert_gaps_untouched(&p);
		bench_close(&b);
		problem_free(&p);
	}
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
	(void)state;
	for (size_t k = 0; k < WAYS; k++)
		for (uint64_t shape = 0; shape < 4; shape++) {
			struct problem p = problem_make(shape % 2 ? 3 : 1065, shape / 2 ? 19 : 301,
							520, PS_BF16, true, shape);
			float *one = NULL;

			for (int threads = 1; threads <= 3; threads++) {
				struct bench b;

				bench_open_way(&b, k, threads, p.tokens, p.cols);
				run(&b, &p);
				if (one)
					assert_same_y(&p, one);
				else
					one = copy_y(&p);
				bench_close(&b);
			}
			free(one);
			problem_free(&p);
		}
}

/* Cutting tokens and rows of W at every place puts an element into whole and into cut tiles. */
static void any_split_of_tokens_or_rows_gives_the_same_bits(void **state)
{
	(void)state;
	for (size_t k = 0; k < WAYS; k++) {
		struct problem p = problem_make(70, 101, 300, PS_BF16, true, 11);
		size_t row_bytes = ps_bitmap_row_bytes(p.cols);
		struct bench b;
		float *whole;

		bench_open_way(&b, k, 2, p.tokens, p.cols);
		run(&b, &p);
		whole = copy_y(&p);
		for (size_t cut = 1; cut < p.tokens; cut++) {
			memset(p.y, 0, p.y_stride * sizeof(float));
			ps_matmul_run(b.matmul, p.x, p.x_stride, cut, &p.w, p.y, p.y_stride);
			ps_matmul_run(b.matmul, p.x + cut * p.x_stride, p.x_stride, p.tokens - cut,
				      &p.w, p.y + cut * p.y_stride, p.y_stride);
			for (size_t t = 0; t < p.tokens; t++)
				assert_memory_equal(p.y + t * p.y_stride, whole + t * p.y_stride,
						    p.rows * sizeof(float));
		}
		for (size_t cut = 1; cut < p.rows; cut++) {
			ps_weight low = p.w, high = p.w;

			low.rows = cut;
			high.rows = p.rows - cut;
			high.data = (const char *)p.w.data + cut * p.cols * sizeof(uint16_t);
			high.edit.keep = p.w.edit.keep + cut * row_bytes;
			ps_matmul_run(b.matmul, p.x, p.x_stride, p.tokens, &low, p.y, p.y_stride);
			ps_matmul_run(b.matmul, p.x, p.x_stride, p.tokens, &high, p.y + cut,
				      p.y_stride);
			for (size_t t = 0; t < p.tokens; t++)
				assert_memory_equal(p.y + t * p.y_stride, whole + t * p.y_stride,
						    p.rows * sizeof(float));
		}
		free(whole);
		bench_close(&b);
		problem_free(&p);
	}
}

static void masked_weights_give_the_bits_of_zeroed_weights(void **state)
{
	(void)state;
	for (size_t k = 0; k < WAYS; k++)
		for (size_t cols = 1; cols <= 601; cols += 60) {
			struct problem p = problem_make(29, 45, cols, PS_BF16, true, cols);
			uint16_t *zeroed = buffer(p.rows * cols * sizeof *zeroed);
			struct bench b;
			float *masked;

			bench_open_way(&b, k, 2, p.tokens, cols);
			run(&b, &p);
			masked = copy_y(&p);
			ps_narrow_bf16(p.wide, p.rows * cols, zeroed);
			p.w.data = zeroed;
			p.w.edit.keep = NULL;
			run(&b, &p);
			assert_same_y(&p, masked);
			free(masked);
			free(zeroed);
			bench_close(&b);
			problem_free(&p);
		}
}

/* Random blocks whose scales, at the start or the end of a block, are 2^-8. */
static void fill_blocks(char *blocks, ps_dtype dtype, size_t count, ps_rng *rng)
{
	const size_t bytes = ps_dtype_bytes(dtype, 1);
	const uint16_t scale = 0x1c00;

	for (size_t i = 0; i < count * bytes; i++)
		blocks[i] = (char)ps_rng_u64(rng);
	for (size_t i = 0; i < count; i++) {
		char *block = blocks + i * bytes;

		memcpy(block, &scale, 2);
		memcpy(block + 2, &scale, 2);
		memcpy(block + bytes - 2, &scale, 2);
		memcpy(block + bytes - 4, &scale, 2);
	}
}

/* Blocks are widened while they are packed, whatever the strips, also where llama.cpp has put the
 * rows of a head in pairs. Masks and roundings apply to what they hold. */
static void weights_in_blocks_give_the_bits_of_the_same_weights_in_f32(void **state)
{
	static const ps_dtype dtypes[] = {PS_Q8_0, PS_Q5_0, PS_Q4_K, PS_Q6_K, PS_Q3_K};

	(void)state;
	for (size_t k = 0; k < WAYS; k++)
		for (size_t i = 0; i < 5; i++) {
			const size_t rows = 64, cols = ps_dtype_block(dtypes[i]) == 32 ? 608 : 768;
			struct problem p = problem_make(21, rows, cols, PS_F32, i % 2, i);
			const size_t bytes = rows * ps_dtype_bytes(dtypes[i], cols);
			char *blocks = buffer(bytes);
			float *wide = buffer(rows * cols * sizeof *wide), *expected;
			ps_rng rng = ps_rng_make(15, i);
			struct bench b;

			fill_blocks(blocks, dtypes[i], bytes / ps_dtype_bytes(dtypes[i], 1), &rng);
			p.w.data = blocks;
			p.w.dtype = dtypes[i];
			p.w.paired_rows = i < 3 ? 16 : 0;
			for (size_t row = 0; row < rows; row++)
				ps_weight_decode(&p.w, row, 0, cols, wide + row * cols);
			bench_open_way(&b, k, 2, p.tokens, cols);
			run(&b, &p);
			expected = copy_y(&p);
			p.w.data = wide;
			p.w.dtype = PS_F32;
			p.w.paired_rows = 0;
			run(&b, &p);
			assert_same_y(&p, expected);
			free(expected);
			free(blocks);
			free(wide);
			bench_close(&b);
			problem_free(&p);
		}
}

/* Edits rows of w as they are packed, and writes them in their own type to `rounded`. */
static void round_beforehand(const ps_weight *w, char *rounded)
{
	const size_t bytes = w->cols * ps_dtype_size(w->dtype);
	float *values = buffer(w->cols * sizeof *values);

	for (size_t row = 0; row < w->rows; row++) {
		const ps_edit_place place = {row, 0, w->cols, w->dtype};

		ps_widen((const char *)w->data + row * bytes, w->dtype, w->cols, values);
		ps_edit_apply(&w->edit, &place, w->cols, values);
		ps_narrow(values, w->dtype, w->cols, rounded + row * bytes);
	}
	free(values);
}

static void rounded_weights_give_the_bits_of_weights_rounded_before(void **state)
{
	static const ps_dtype dtypes[] = {PS_F32, PS_BF16, PS_F16};

	(void)state;
	for (size_t k = 0; k < WAYS; k++)
		for (size_t i = 0; i < 12; i++) {
			const size_t cols = 1 + 60 * i;
			const ps_rounding_rule rule = {.bits = i % 2 ? 3 : 8,
						       .group = i % 4 < 2 ? 0 : 24};
			const size_t scales = 45 * ps_rounding_groups(&rule, cols);
			struct problem p = problem_make(29, 45, cols, dtypes[i % 3], false, i);
			char *rounded = buffer(p.rows * cols * sizeof(float));
			float *scale = buffer(scales * sizeof *scale), *edited;
			struct bench b;

			for (size_t s = 0; s < scales; s++)
				scale[s] = (float)(s % 5) * 0.137f; /* 0 among them */
			p.w.edit.rounding = (ps_rounding){scale, rule};
			bench_open_way(&b, k, 2, p.tokens, cols);
			run(&b, &p);
			edited = copy_y(&p);
			round_beforehand(&p.w, rounded);
			p.w = (ps_weight){
				.data = rounded, .dtype = p.w.dtype, .rows = p.rows, .cols = cols};
			run(&b, &p);
			assert_same_y(&p, edited);
			free(edited);
			free(scale);
			free(rounded);
			bench_close(&b);
			problem_free(&p);
		}
}

/* Rounds X and the weights as a product in bf16 does. */
static void round_operands(struct problem *p)
{
	for (size_t i = 0; i < p->tokens * p->x_stride; i++)
		p->x[i] = ps_bf16_to_f32(ps_f32_to_bf16(p->x[i]));
	for (size_t i = 0; i < p->rows * p->cols; i++)
		p->wide[i] = ps_bf16_to_f32(ps_f32_to_bf16(p->wide[i]));
}

static void dropped_weights_may_be_anything(void **state)
{
	(void)state;
	for (size_t k = 0; k < WAYS; k++) {
		struct problem p = problem_make(9, 40, 77, PS_F32, true, 3);
		closeness c = {0};
		struct bench b;

		for (size_t i = 0; i < p.rows * p.cols; i++)
			if (!ps_bitmap_kept(p.keep + i / p.cols * ps_bitmap_row_bytes(p.cols),
					    i % p.cols))
				((float *)p.data)[i] = i % 2 ? NAN : INFINITY;
		bench_open_way(&b, k, 2, p.tokens, p.cols);
		run(&b, &p);
		if (ways[k].precision == PS_PRECISION_BF16)
			round_operands(&p);
		add_elements(&c, &p);
		assert_closeness(&c, ps_matmul_kernel(b.matmul)->name,
				 ways[k].precision == PS_PRECISION_INT16 ? INT16_TOLERANCE
									 : TOLERANCE);
		bench_close(&b);
		problem_free(&p);
	}
}

/* Stores one of the numbers that are not finite as element i of the weights. */
static void store_bad(struct problem *p, size_t i)
{
	static const uint32_t bits[] = {0x7f800000, 0xff800000, 0x7fc00000};
	static const uint16_t f16[] = {0x7c00, 0xfc00, 0x7e01};
	const size_t width = ps_dtype_size(p->w.dtype);
	const uint32_t wide = bits[i % 3];
	const uint16_t half = p->w.dtype == PS_F16 ? f16[i % 3] : (uint16_t)(wide >> 16);

	memcpy((char *)p->data + i * width,
	       p->w.dtype == PS_F32 ? (const void *)&wide : (const void *)&half, width);
}

static bool product_is_finite(const struct bench *b, const struct problem *p)
{
	return ps_matmul_run(b->matmul, p->x, p->x_stride, p->tokens, &p->w, p->y, p->y_stride);
}

static void weights_that_are_not_finite_are_found_unless_dropped(void **state)
{
	static const ps_dtype dtypes[] = {PS_BF16, PS_F16, PS_F32};
	static const size_t elements[] = {0, 1, 254, 255, 256, 300, 319, 320, 20 * 320 + 319};

	(void)state;
	for (size_t k = 0; k < WAYS * 3; k++)
		for (size_t e = 0; e < sizeof elements / sizeof *elements; e++) {
			struct problem p = problem_make(3, 21, 320, dtypes[k % 3], false, k);
			const size_t row = elements[e] / p.cols, col = elements[e] % p.cols;
			ps_diag diag = {{0}};
			char place[64];
			struct bench b;

			bench_open_way(&b, k / 3, 2, p.tokens, p.cols);
			assert_true(product_is_finite(&b, &p));
			assert_int_equal(ps_weight_check_finite(&p.w, &diag), 0);
			store_bad(&p, elements[e]);
			assert_false(product_is_finite(&b, &p));
			assert_int_equal(ps_weight_check_finite(&p.w, &diag), PS_EINPUT);
			snprintf(place, sizeof place, "at row %zu, column %zu ", row, col);
			assert_non_null(strstr(diag.text, place));
			p.w.edit.keep = p.keep;
			assert_false(product_is_finite(&b, &p));
			ps_bitmap_drop(p.keep + row * ps_bitmap_row_bytes(p.cols), col);
			assert_true(product_is_finite(&b, &p));
			assert_int_equal(ps_weight_check_finite(&p.w, NULL), 0);
			bench_close(&b);
			problem_free(&p);
		}
}

static void no_columns_give_zeros(void **state)
{
	(void)state;
	for (size_t k = 0; k < WAYS; k++) {
		struct problem p = problem_make(7, 12, 0, PS_BF16, false, 1);
		struct bench b;

		bench_open_way(&b, k, 2, p.tokens, 8);
		run(&b, &p);
		for (size_t i = 0; i < p.tokens * p.y_stride; i++)
			assert_true(p.y[i] == (i % p.y_stride < p.rows ? 0 : UNTOUCHED));
		assert_gaps_untouched(&p);
		bench_close(&b);
		problem_free(&p);
	}
}

static void no_tokens_or_no_rows_touch_nothing(void **state)
{
	struct problem p = problem_make(4, 6, 20, PS_BF16, false, 1);
	struct bench b;

	(void)state;
	bench_open(&b, "ref", 2, p.tokens, p.cols);
	ps_matmul_run(b.matmul, p.x, p.x_stride, 0, &p.w, p.y, p.y_stride);
	p.w.rows = 0;
	run(&b, &p);
	for (size_t i = 0; i < p.tokens * p.y_stride; i++)
		assert_true(p.y[i] == UNTOUCHED);
	bench_close(&b);
	problem_free(&p);
}

static void weights_may_lie_at_any_address(void **state)
{
	static const ps_dtype dtypes[] = {PS_BF16, PS_F16, PS_F32};

	(void)state;
	for (size_t d = 0; d < 3; d++) {
		struct problem p = problem_make(13, 21, 90, dtypes[d], true, d);
		size_t bytes = p.rows * p.cols * ps_dtype_size(dtypes[d]);
		char *odd = buffer(bytes + 1);
		struct bench b;
		float *aligned;

		bench_open(&b, "avx512", 2, p.tokens, p.cols);
		run(&b, &p);
		aligned = copy_y(&p);
		p.w.data = memcpy(odd + 1, p.data, bytes);
		run(&b, &p);
		assert_same_y(&p, aligned);
		free(aligned);
		free(odd);
		bench_close(&b);
		problem_free(&p);
	}
}

static void bf16_is_exact_but_for_the_rounding_of_its_operands(void **state)
{
	static const ps_dtype dtypes[] = {PS_BF16, PS_F16, PS_F32};
	ps_rng rng = ps_rng_make(2, 1);

	(void)state;
	for (size_t k = 0; k < KERNELS; k++) {
		struct bench b;
		closeness c = {0};

		bench_open_as(&b, PS_PRECISION_BF16, kernels[k], 2, 200, 1400);
		for (uint64_t i = 0; i < 40; i++) {
			struct problem p = problem_make(1 + ps_rng_below(&rng, 200),
							1 + ps_rng_below(&rng, 200),
							1 + ps_rng_below(&rng, i % 4 ? 300 : 1400),
							dtypes[i % 3], i / 3 % 2, i);

			run(&b, &p);
			round_operands(&p);
			add_elements(&c, &p);
			assert_gaps_untouched(&p);
			problem_free(&p);
		}
		assert_closeness(&c, ps_matmul_kernel(b.matmul)->name, TOLERANCE);
		bench_close(&b);
	}
}

static void *aligned(size_t bytes)
{
	void *p = aligned_alloc(64, ps_round_up(bytes, 64));

	assert_non_null(p);
	memset(p, 0xff, bytes);
	return p;
}

/* The problem's X in panels. */
static uint32_t *pack_x(const ps_kernel *kernel, const struct problem *p)
{
	const size_t slices = ps_slices(kernel->packing, p->cols), panel = kernel->x_panel;
	uint32_t *x = aligned((p->tokens + panel) * slices * sizeof *x);

	for (size_t t = 0; t < p->tokens; t += panel)
		ps_panel_pack_x(kernel, p->x + t * p->x_stride, p->x_stride,
				p->tokens - t < panel ? p->tokens - t : panel, p->cols,
				x + t * slices);
	return x;
}

/* Two matrices that are packed one below the other give the bits of their two products. */
static void packed_weights_give_the_same_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4 * WAYS; i++) {
		struct problem p = problem_make(i % 4 == 3 ? 401 : 33, 75, i % 3 ? 331 : 1100,
						i / 2 % 2 ? PS_F32 : PS_BF16, true, i);
		ps_weight top = p.w, rest = p.w;
		struct bench b;
		ps_panels panels;
		ps_tile_rows rows;
		uint32_t *x;
		float *y;

		bench_open_way(&b, i / 4, 2, p.tokens, p.cols);
		panels.kernel = ps_matmul_kernel(b.matmul);
		rows = (ps_tile_rows){.kernel = panels.kernel, .y = p.y, .y_stride = p.y_stride};
		panels.packing = ps_panels_packing(panels.kernel, p.w.dtype);
		panels.data =
			aligned(ps_panels_bytes(panels.kernel, panels.packing, p.rows, p.cols));
		run(&b, &p);
		y = copy_y(&p);
		top.rows = 22;
		rest.rows = p.rows - top.rows;
		rest.data = (const char *)p.w.data + top.rows * p.cols * ps_dtype_size(p.w.dtype);
		rest.edit.keep = p.w.edit.keep + top.rows * ps_bitmap_row_bytes(p.cols);
		assert_true(ps_panels_pack(&panels, b.pool, (const ps_weight *const[]){&top, &rest},
					   2));
		assert_int_equal(panels.rows, p.rows);
		x = pack_x(panels.kernel, &p);
		for (size_t t = 0; t < p.tokens; t++)
			memset(p.y + t * p.y_stride, 0xff, p.rows * sizeof *p.y);
		ps_matmul_panels(b.matmul, x, p.tokens, &panels, ps_tile_store, &rows);
		assert_same_y(&p, y);
		free(x);
		free(y);
		free(panels.data);
		bench_close(&b);
		problem_free(&p);
	}
}

struct halves {
	const ps_kernel *kernel;
	size_t rows;
	float *a, *b; /* (tokens, rows) */
};

static void store_halves(void *context, const ps_tile *tile)
{
	const struct halves *h = context;
	const size_t half = h->kernel->w_panel / 2, first = tile->first_row / 2;

	for (size_t t = 0; t < tile->tokens; t++)
		for (size_t n = 0; n < half && first + n < h->rows; n++) {
			h->a[(tile->first_token + t) * h->rows + first + n] =
				tile->y[t * h->kernel->w_panel + n];
			h->b[(tile->first_token + t) * h->rows + first + n] =
				tile->y[t * h->kernel->w_panel + half + n];
		}
}

static void paired_weights_give_both_products_in_each_tile(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct problem p = problem_make(37, 86, 600, PS_BF16, true, i);
		ps_weight low = p.w, high = p.w;
		struct halves halves = {.rows = p.rows / 2};
		struct bench b;
		ps_panels panels;
		uint32_t *x;

		low.rows = high.rows = halves.rows;
		high.data = (const char *)p.w.data + halves.rows * p.cols * sizeof(uint16_t);
		high.edit.keep = p.w.edit.keep + halves.rows * ps_bitmap_row_bytes(p.cols);
		bench_open_way(&b, i, 2, p.tokens, p.cols);
		halves.kernel = panels.kernel = ps_matmul_kernel(b.matmul);
		halves.a = buffer(p.tokens * halves.rows * sizeof(float));
		halves.b = buffer(p.tokens * halves.rows * sizeof(float));
		panels.packing = ps_panels_packing(panels.kernel, PS_BF16);
		panels.data = aligned(
			ps_panels_bytes(panels.kernel, panels.packing,
					ps_panels_paired_rows(panels.kernel, halves.rows), p.cols));
		run(&b, &p);
		assert_true(ps_panels_pack_paired(&panels, b.pool, &low, &high));
		x = pack_x(panels.kernel, &p);
		ps_matmul_panels(b.matmul, x, p.tokens, &panels, store_halves, &halves);
		for (size_t t = 0; t < p.tokens; t++) {
			assert_memory_equal(halves.a + t * halves.rows, p.y + t * p.y_stride,
					    halves.rows * sizeof(float));
			assert_memory_equal(halves.b + t * halves.rows,
					    p.y + t * p.y_stride + halves.rows,
					    halves.rows * sizeof(float));
		}
		free(x);
		free(halves.a);
		free(halves.b);
		free(panels.data);
		bench_close(&b);
		problem_free(&p);
	}
}

static void a_panel_of_x_can_be_read_back(void **state)
{
	(void)state;
	for (int bf16 = 0; bf16 < 2; bf16++)
		for (size_t cols = 1; cols < 600; cols += 99) {
			const ps_kernel kernel =
				ps_kernel_choose(bf16 ? PS_PRECISION_BF16 : PS_PRECISION_F32);
			struct problem p =
				problem_make(kernel.x_panel - 1, 1, cols, PS_F32, false, cols);
			uint32_t *x = pack_x(&kernel, &p);
			float *back = buffer(p.tokens * cols * sizeof *back);

			ps_panel_unpack_x(&kernel, x, p.tokens, cols, back, cols);
			if (bf16)
				round_operands(&p);
			for (size_t t = 0; t < p.tokens; t++)
				assert_memory_equal(back + t * cols, p.x + t * p.x_stride,
						    cols * sizeof *back);
			free(x);
			free(back);
			problem_free(&p);
		}
}

static void memory_is_modest(void **state)
{
	const size_t tokens = 4096, k = 6912, packed_x = tokens * k * sizeof(float),
		     each = (size_t)8 << 20;

	(void)state;
	for (int threads = 1; threads <= 64; threads *= 4) {
		size_t bytes = ps_matmul_bytes(PS_PRECISION_F32, threads, tokens, k);

		print_message("%d threads: %.1f MiB\n", threads, (double)bytes / (1 << 20));
		assert_true(bytes <= packed_x + (size_t)threads * each);
	}
}

static void reference_matches_double_precision(void **state)
{
	struct problem p = problem_make(17, 23, 130, PS_BF16, true, 5);
	closeness c = {0};

	(void)state;
	ps_matmul_ref(p.x, p.x_stride, p.tokens, &p.w, p.y, p.y_stride);
	add_elements(&c, &p);
	assert_closeness(&c, "reference", TOLERANCE);
	assert_gaps_untouched(&p);
	problem_free(&p);
}

static void a_kernel_that_nobody_has_is_refused_with_the_names(void **state)
{
	ps_diag diag = {{0}};

	(void)state;
	setenv("PRUNESCOPE_MATMUL", "avx3", 1);
	assert_int_equal(ps_kernel_prepare(&diag), PS_EUSAGE);
	assert_non_null(strstr(diag.text, "PRUNESCOPE_MATMUL=avx3"));
	assert_non_null(strstr(diag.text, "there are ref, "));
	setenv("PRUNESCOPE_MATMUL", "ref", 1);
	assert_int_equal(ps_kernel_prepare(&diag), 0);
	setenv("PRUNESCOPE_MATMUL", "", 1);
	assert_int_equal(ps_kernel_prepare(&diag), 0);
	unsetenv("PRUNESCOPE_MATMUL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_blis_architecture_in_the_environment_is_ignored),
		cmocka_unit_test(a_kernel_that_nobody_has_is_refused_with_the_names),
		cmocka_unit_test(any_shape_and_dtype_matches_double_precision),
		cmocka_unit_test(long_sums_and_many_tokens_match_double_precision),
		cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
		cmocka_unit_test(any_split_of_tokens_or_rows_gives_the_same_bits),
		cmocka_unit_test(masked_weights_give_the_bits_of_zeroed_weights),
		cmocka_unit_test(weights_in_blocks_give_the_bits_of_the_same_weights_in_f32),
		cmocka_unit_test(rounded_weights_give_the_bits_of_weights_rounded_before),
		cmocka_unit_test(dropped_weights_may_be_anything),
		cmocka_unit_test(weights_that_are_not_finite_are_found_unless_dropped),
		cmocka_unit_test(no_columns_give_zeros),
		cmocka_unit_test(no_tokens_or_no_rows_touch_nothing),
		cmocka_unit_test(weights_may_lie_at_any_address),
		cmocka_unit_test(bf16_is_exact_but_for_the_rounding_of_its_operands),
		cmocka_unit_test(packed_weights_give_the_same_bits),
		cmocka_unit_test(paired_weights_give_both_products_in_each_tile),
		cmocka_unit_test(a_panel_of_x_can_be_read_back),
		cmocka_unit_test(memory_is_modest),
		cmocka_unit_test(reference_matches_double_precision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
