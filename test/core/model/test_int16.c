/* int16 products: whatever the numbers are, no sum leaves int32, every kernel gives the bits of the
 * reference, and the result lies within the bound that core/model/int16_block.h states. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/finite.h"
#include "core/base/rng.h"
#include "core/model/int16_kernel.h"
#include "core/model/matmul.h"

#define MANY ((size_t)1100) /* columns of the widest row */
#define GROWTH 5.0e-4       /* the bound, with the roundings of f32 */

/* How the numbers of a row are distributed. */
typedef enum row_shape {
	NORMAL,
	ZEROS,       /* all 0 */
	ONE_HUGE,    /* one element of 3e7 among normal ones */
	OUTLIERS,    /* norm 88,000, nearly all of it in three columns, like the row of a BOS */
	EQUAL,       /* all the same: the largest sums of many columns */
	TWO,         /* two equal ones in a block: the largest sum of one pair */
	ALTERNATING, /* as EQUAL, with every second sign turned */
	HALVES,      /* every quotient lies beside a half, where rounding adds most */
	TINY,        /* about 1e-30 */
	VANISHING,   /* about 1e-36: below what a scale can hold */
	VAST,        /* about 1e15 */
	SPARSE,      /* seven in eight are 0 */
	SHAPES
} row_shape;

static float draw(ps_rng *rng, row_shape shape, size_t column)
{
	const float normal = ps_rng_normal(rng);

	switch (shape) {
	case ZEROS:
		return 0;
	case ONE_HUGE:
		return column == 77 ? 3e7f : normal;
	case OUTLIERS:
		return column == 3 || column == 130 || column == 131 ? 50800 : normal * 0.1f;
	case EQUAL:
		return 3.7f;
	case TWO:
		return column % PS_INT16_BLOCK < 2 ? -1.25f : 0;
	case ALTERNATING:
		return column % 2 ? 0.01f : -0.01f;
	case HALVES:
		return column % PS_INT16_BLOCK == 0 ? 46330 : (float)(column % 7) + 0.4999f;
	case TINY:
		return normal * 1e-30f;
	case VANISHING:
		return normal * 1e-36f;
	case VAST:
		return normal * 1e15f;
	case SPARSE:
		return column % 8 ? 0 : normal;
	default:
		return normal;
	}
}

static void *buffer(size_t bytes)
{
	void *p = aligned_alloc(64, ps_round_up(bytes + 1, 64));

	assert_non_null(p);
	memset(p, 0, bytes);
	return p;
}

/* Y (T, N) = X (T, K) W^T; row r of X and of W has shape r % SHAPES. */
struct problem {
	size_t tokens, rows, cols;
	float *x, *w, *y;
};

static struct problem problem_make(size_t tokens, size_t rows, size_t cols, uint64_t seed)
{
	struct problem p = {.tokens = tokens, .rows = rows, .cols = cols};
	ps_rng rng = ps_rng_make(seed, 0);

	p.x = buffer(tokens * cols * sizeof *p.x);
	p.w = buffer(rows * cols * sizeof *p.w);
	p.y = buffer(tokens * rows * sizeof *p.y);
	for (size_t i = 0; i < tokens * cols; i++)
		p.x[i] = draw(&rng, (row_shape)(i / cols % SHAPES), i % cols);
	for (size_t i = 0; i < rows * cols; i++)
		p.w[i] = draw(&rng, (row_shape)(i / cols % SHAPES), i % cols);
	return p;
}

static void problem_free(struct problem *p)
{
	free(p->x);
	free(p->w);
	free(p->y);
}

/* y with the kernel of this name, or the best one if there is none. Returns the kernel. */
static ps_kernel run(struct problem *p, const char *kernel)
{
	const ps_weight w = {.data = p->w, .dtype = PS_F32, .rows = p->rows, .cols = p->cols};
	ps_diag diag = {{0}};
	ps_arena arena = {0};
	ps_matmul *matmul;
	ps_kernel used;
	ps_pool *pool;

	setenv("PRUNESCOPE_MATMUL", kernel, 1);
	assert_int_equal(ps_pool_create(&pool, 2, &diag), 0);
	assert_int_equal(ps_arena_create(&arena,
					 ps_matmul_bytes(PS_PRECISION_INT16, 2, p->tokens, p->cols),
					 &diag),
			 0);
	matmul = ps_matmul_create(PS_PRECISION_INT16, pool, p->tokens, p->cols, &arena);
	unsetenv("PRUNESCOPE_MATMUL");
	used = *ps_matmul_kernel(matmul);
	(void)ps_matmul_run(matmul, p->x, p->cols, p->tokens, &w, p->y, p->rows);
	ps_arena_destroy(&arena);
	ps_pool_destroy(pool);
	return used;
}

static void every_kernel_gives_the_bits_of_the_reference(void **state)
{
	static const size_t cols[] = {1, 2, 255, 256, 257, 511, 640, MANY};

	(void)state;
	for (size_t k = 1; k < ps_int16_row_count; k++)
		for (size_t c = 0; c < sizeof cols / sizeof *cols; c++) {
			struct problem p = problem_make(41 + c, 67 - c, cols[c], c);
			const size_t bytes = p.tokens * p.rows * sizeof *p.y;
			float *reference;
			ps_kernel used = run(&p, "ref");

			assert_memory_equal(used.name, "ref", 3);
			reference = memcpy(buffer(bytes), p.y, bytes);
			memset(p.y, 0xff, bytes);
			used = run(&p, ps_int16_rows[k].isa);
			if (!c)
				print_message("%s: %s\n", ps_int16_rows[k].isa, used.name);
			if (ps_int16_rows[k].supported())
				assert_memory_equal(used.name, ps_int16_rows[k].isa,
						    strlen(ps_int16_rows[k].isa));
			assert_memory_equal(p.y, reference, bytes);
			free(reference);
			problem_free(&p);
		}
}

static double norm(const float *x, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)x[i] * (double)x[i];
	return sqrt(sum);
}

/* The error of an element, as a share of the sum over blocks of |w| |x| and of what is too small
 * for scales. */
static double error_of(const struct problem *p, size_t t, size_t n)
{
	const float *x = p->x + t * p->cols, *w = p->w + n * p->cols;
	double exact = 0, size = 0;

	for (size_t k = 0; k < p->cols; k++)
		exact += (double)x[k] * (double)w[k];
	for (size_t k = 0; k < p->cols; k += PS_INT16_BLOCK) {
		const size_t count = ps_min_size(PS_INT16_BLOCK, p->cols - k);
		const double size_x = norm(x + k, count), size_w = norm(w + k, count);

		size += size_x * size_w +
			(ldexp(1, -119) + ldexp(1, -106) * (size_x + size_w)) / GROWTH;
	}
	return fabs((double)p->y[t * p->rows + n] - exact) / size;
}

static void any_numbers_lie_within_the_bound(void **state)
{
	static const size_t cols[] = {1, 100, 256, 300, MANY};
	double worst[SHAPES] = {0};

	(void)state;
	for (size_t c = 0; c < sizeof cols / sizeof *cols; c++) {
		struct problem p = problem_make(2 * SHAPES, 2 * SHAPES, cols[c], 9 + c);

		run(&p, "best");
		for (size_t i = 0; i < p.tokens * p.rows; i++) {
			const size_t t = i / p.rows, n = i % p.rows;

			assert_true(isfinite(p.y[i]));
			worst[n % SHAPES] = fmax(worst[n % SHAPES], error_of(&p, t, n));
		}
		problem_free(&p);
	}
	for (int s = 0; s < SHAPES; s++)
		print_message("numbers of shape %d: largest error %.2e\n", s, worst[s]);
	for (int s = 0; s < SHAPES; s++)
		assert_true(worst[s] < GROWTH);
}

/* sum x'^2 of each block is below 2^31: by Cauchy-Schwarz so is every sum of products. */
static void assert_sums_fit(const float *x, size_t n, int64_t *most)
{
	uint32_t elements[PS_INT16_BLOCK / 2 + 1] = {0};
	int16_t integers[PS_INT16_BLOCK];
	int64_t sum = 0;

	ps_int16_pack(x, n, elements);
	memcpy(integers, elements + 1, sizeof integers);
	for (size_t k = 0; k < n; k++) {
		assert_true(integers[k] >= -INT16_MAX);
		sum += (int64_t)integers[k] * integers[k];
	}
	*most = sum > *most ? sum : *most;
	assert_true(sum < INT64_C(1) << 31);
}

static void no_sum_can_leave_int32(void **state)
{
	ps_rng rng = ps_rng_make(5, 0);
	float x[PS_INT16_BLOCK];
	int64_t most = 0;

	(void)state;
	for (size_t i = 0; i < 20000; i++) {
		const size_t n = i % 3 ? PS_INT16_BLOCK : 1 + ps_rng_below(&rng, PS_INT16_BLOCK);
		const float size =
			ldexpf(1 + ps_rng_uniform(&rng), (int)ps_rng_below(&rng, 200) - 100);

		for (size_t k = 0; k < n; k++)
			x[k] = draw(&rng, (row_shape)(i % SHAPES), k) * (i % 2 ? size : 1);
		if (ps_all_finite(x, n))
			assert_sums_fit(x, n, &most);
	}
	print_message("the largest sum is %.6f of 2^31\n", ldexp((double)most, -31));
	assert_true(most > INT64_C(2146000000)); /* nothing is given away */
}

static void rows_read_back_are_near(void **state)
{
	ps_rng rng = ps_rng_make(6, 0);
	float x[600], back[600];
	uint32_t elements[2 * 303];

	(void)state;
	for (size_t n = 1; n <= 600; n += n < 10 || (n > 250 && n < 260) ? 1 : 35)
		for (int s = 0; s < SHAPES; s++) {
			for (size_t k = 0; k < n; k++)
				x[k] = draw(&rng, (row_shape)s, k);
			ps_int16_pack(x, n, elements);
			for (size_t i = ps_int16_slices(n); i-- > 0;)
				elements[2 * i] = elements[i];
			ps_int16_unpack(elements, 2, n, back);
			for (size_t k = 0; k < n; k++) {
				const size_t b = k / PS_INT16_BLOCK * PS_INT16_BLOCK;
				const double block =
					norm(x + b, ps_min_size(PS_INT16_BLOCK, n - b));

				assert_true(fabs((double)back[k] - (double)x[k]) <=
					    block * 0.5001 / 32767 + ldexp(1, -110));
			}
		}
}

static void blocks_that_no_scale_can_hold_are_zero(void **state)
{
	const float sizes[] = {0, 1e-45f, 1e-36f, 3e-35f};

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		uint32_t elements[PS_INT16_BLOCK / 2 + 1];
		float x[PS_INT16_BLOCK];

		for (size_t k = 0; k < PS_INT16_BLOCK; k++)
			x[k] = k % 3 ? sizes[s] : -sizes[s];
		memset(elements, 0xff, sizeof elements);
		ps_int16_pack(x, PS_INT16_BLOCK, elements);
		for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
			assert_int_equal(elements[i], 0);
	}
}

/* A token that is not finite makes its own row NaN, and no other. */
static void numbers_that_are_not_finite_make_their_row_nan(void **state)
{
	static const float bad[] = {NAN, INFINITY, -INFINITY};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct problem p = problem_make(15, 20, 700, i),
			       clean = problem_make(15, 20, 700, i);

		p.x[4 * p.cols + 256 * i + 5] = bad[i];
		run(&p, "best");
		run(&clean, "best");
		for (size_t y = 0; y < p.tokens * p.rows; y++) {
			if (y / p.rows == 4)
				assert_true(isnan(p.y[y]));
			else
				assert_true(p.y[y] == clean.y[y]);
		}
		problem_free(&p);
		problem_free(&clean);
	}
}

static void precisions_are_named_as_they_are_read(void **state)
{
	ps_precision precision;
	ps_diag diag = {{0}};

	(void)state;
	for (int p = 0; p < PS_PRECISIONS; p++) {
		assert_int_equal(
			ps_precision_parse(ps_precision_name((ps_precision)p), &precision, &diag),
			0);
		assert_int_equal(precision, p);
	}
	assert_int_equal(ps_precision_parse("int8", &precision, &diag), PS_EUSAGE);
	assert_non_null(strstr(diag.text, "f32, bf16 or int16"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kernel_gives_the_bits_of_the_reference),
		cmocka_unit_test(any_numbers_lie_within_the_bound),
		cmocka_unit_test(no_sum_can_leave_int32),
		cmocka_unit_test(rows_read_back_are_near),
		cmocka_unit_test(blocks_that_no_scale_can_hold_are_zero),
		cmocka_unit_test(numbers_that_are_not_finite_make_their_row_nan),
		cmocka_unit_test(precisions_are_named_as_they_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
