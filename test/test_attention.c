/* Attention against its reference in double precision, and its promises about rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "core/attention.h"
#include "core/rng.h"

#define TOLERANCE 2e-6 /* of the largest |v| */
#define GAP 3	       /* floats between rows that no head may touch */
#define UNTOUCHED 12345.0f

/* One head's q, k, v, drawn from a seed, and room for its output; all rows lie GAP floats apart. */
struct head {
	ps_attention a;
	float *q, *k, *v, *out, *scratch;
};

static float *draw(size_t rows, size_t width, float spread, ps_rng *rng)
{
	size_t stride = width + GAP;
	float *x = malloc(rows * stride * sizeof *x);

	assert_non_null(x);
	for (size_t i = 0; i < rows * stride; i++)
		x[i] = i % stride < width ? spread * ps_rng_normal(rng) : NAN;
	return x;
}

static struct head head_make(size_t tokens, size_t width, size_t sliding, double softcap, float spread, uint64_t seed)
{
	ps_rng rng = ps_rng_make(seed, 0);
	struct head h = {.q = draw(tokens, width, spread, &rng),
			 .k = draw(tokens, width, spread, &rng),
			 .v = draw(tokens, width, 1, &rng),
			 .out = draw(tokens, width, 1, &rng),
			 /* No more than what is promised: a sanitizer sees every step beyond. */
			 .scratch = malloc(ps_attention_scratch(tokens, width) * sizeof(float))};

	assert_non_null(h.scratch);
	for (size_t i = 0; i < tokens * (width + GAP); i++)
		h.out[i] = UNTOUCHED;
	h.a = (ps_attention){.head_width = width,
			     .tokens = tokens,
			     .sliding = sliding,
			     .scale = 1 / sqrt((double)width),
			     .softcap = softcap,
			     .q = h.q,
			     .k = h.k,
			     .v = h.v,
			     .out = h.out,
			     .q_stride = width + GAP,
			     .k_stride = width + GAP,
			     .v_stride = width + GAP,
			     .out_stride = width + GAP};
	return h;
}

static void head_free(struct head *h)
{
	free(h->q);
	free(h->k);
	free(h->v);
	free(h->out);
	free(h->scratch);
}

static size_t out_bytes(const struct head *h)
{
	return h->a.tokens * h->a.out_stride * sizeof(float);
}

static float *copy_out(const struct head *h)
{
	float *out = malloc(out_bytes(h));

	assert_non_null(out);
	return memcpy(out, h->out, out_bytes(h));
}

/* Runs the head and its reference; the largest difference as a share of the largest |v|. */
static double run_and_compare(struct head *h)
{
	double worst = 0, largest = 0, *scratch = malloc(h->a.tokens * sizeof *scratch);
	float *exact = copy_out(h);

	assert_non_null(scratch);
	ps_attention_run(&h->a, 0, h->a.tokens, h->scratch);
	h->a.out = exact;
	ps_attention_ref(&h->a, 0, h->a.tokens, scratch);
	h->a.out = h->out;
	for (size_t t = 0; t < h->a.tokens; t++)
		for (size_t d = 0; d < h->a.out_stride; d++) {
			size_t at = t * h->a.out_stride + d;

			if (d >= h->a.head_width) {
				assert_true(h->out[at] == UNTOUCHED);
				continue;
			}
			assert_true(isfinite(h->out[at]));
			worst = fmax(worst, fabs((double)h->out[at] - (double)exact[at]));
			largest = fmax(largest, fabs((double)h->v[at]));
		}
	free(exact);
	free(scratch);
	return worst / largest;
}

static void any_shape_matches_double_precision(void **state)
{
	static const size_t widths[] = {1, 8, 16, 30, 64, 72, 128, 256}, windows[] = {0, 1, 5, 16, 40, 200};
	ps_rng rng = ps_rng_make(1, 1);
	double worst = 0;

	(void)state;
	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
		for (size_t s = 0; s < sizeof windows / sizeof *windows; s++)
			for (int capped = 0; capped < 2; capped++) {
				struct head h = head_make(1 + ps_rng_below(&rng, 130), widths[w], windows[s], capped ? 5 : 0,
							  1.5f, w * 100 + s);

				worst = fmax(worst, run_and_compare(&h));
				head_free(&h);
			}
	print_message("error %.2g of the largest |v|, tolerance %g\n", worst, TOLERANCE);
	assert_true(worst <= TOLERANCE);
}

static void long_windows_match_double_precision(void **state)
{
	(void)state;
	for (size_t sliding = 0; sliding <= 512; sliding += 512) {
		struct head h = head_make(1100, 64, sliding, 0, 1, sliding);
		double error = run_and_compare(&h);

		print_message("sliding %zu: error %.2g\n", sliding, error);
		assert_true(error <= TOLERANCE);
		head_free(&h);
	}
}

static void any_split_of_the_rows_gives_the_same_bits(void **state)
{
	(void)state;
	for (size_t sliding = 0; sliding <= 20; sliding += 20) {
		struct head h = head_make(75, 40, sliding, 50, 2, 9);
		float *whole;

		ps_attention_run(&h.a, 0, h.a.tokens, h.scratch);
		whole = copy_out(&h);
		for (size_t part = 1; part < h.a.tokens; part++) {
			memset(h.out, 0, out_bytes(&h));
			for (size_t first = 0; first < h.a.tokens; first += part)
				ps_attention_run(&h.a, first, first + part < h.a.tokens ? part : h.a.tokens - first, h.scratch);
			for (size_t t = 0; t < h.a.tokens; t++)
				assert_memory_equal(h.out + t * h.a.out_stride, whole + t * h.a.out_stride,
						    h.a.head_width * sizeof(float));
		}
		free(whole);
		head_free(&h);
	}
}

/* The window's length and the rows that a query does not see leave no trace, even where they are not numbers. */
static void hidden_rows_leave_no_trace(void **state)
{
	const size_t hidden[] = {0, 1, 20, 59, 60, 61, 62, 79};

	(void)state;
	for (size_t sliding = 0; sliding <= 10; sliding += 10) {
		struct head h = head_make(80, 48, sliding, 0, 1, 4);
		float *clean;

		ps_attention_run(&h.a, 0, h.a.tokens, h.scratch);
		clean = copy_out(&h);
		for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
			size_t j = hidden[i], last = sliding ? j + sliding : h.a.tokens;
			float kept = h.v[j * h.a.v_stride], key = h.k[j * h.a.k_stride];

			h.v[j * h.a.v_stride] = NAN;
			h.k[j * h.a.k_stride] = NAN;
			ps_attention_run(&h.a, 0, h.a.tokens, h.scratch);
			for (size_t t = 0; t < h.a.tokens; t++) {
				float *row = h.out + t * h.a.out_stride;

				if (t < j || t >= last)
					assert_memory_equal(row, clean + t * h.a.out_stride, h.a.head_width * sizeof(float));
				else
					assert_true(isnan(row[0]));
			}
			h.v[j * h.a.v_stride] = kept;
			h.k[j * h.a.k_stride] = key;
		}
		h.a.tokens = 33;
		memset(h.out, 0, out_bytes(&h));
		ps_attention_run(&h.a, 0, h.a.tokens, h.scratch);
		for (size_t t = 0; t < h.a.tokens; t++)
			assert_memory_equal(h.out + t * h.a.out_stride, clean + t * h.a.out_stride,
					    h.a.head_width * sizeof(float));
		free(clean);
		head_free(&h);
	}
}

static void the_first_token_sees_itself_alone(void **state)
{
	struct head h = head_make(3, 24, 0, 0, 1, 2);

	(void)state;
	ps_attention_run(&h.a, 0, h.a.tokens, h.scratch);
	assert_memory_equal(h.out, h.v, h.a.head_width * sizeof(float));
	head_free(&h);
}

static void a_window_of_one_copies_the_values(void **state)
{
	struct head h = head_make(50, 24, 1, 0, 1, 2);

	(void)state;
	ps_attention_run(&h.a, 0, h.a.tokens, h.scratch);
	for (size_t t = 0; t < h.a.tokens; t++)
		assert_memory_equal(h.out + t * h.a.out_stride, h.v + t * h.a.v_stride, h.a.head_width * sizeof(float));
	head_free(&h);
}

static void huge_scores_do_not_overflow(void **state)
{
	struct head h = head_make(90, 64, 0, 0, 300, 6);
	double error = run_and_compare(&h);

	(void)state;
	print_message("error %.2g\n", error);
	assert_true(error <= 0.1); /* scores near 10^6 are themselves only good to 0.1 */
	head_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_shape_matches_double_precision),
	    cmocka_unit_test(long_windows_match_double_precision),
	    cmocka_unit_test(any_split_of_the_rows_gives_the_same_bits),
	    cmocka_unit_test(hidden_rows_leave_no_trace),
	    cmocka_unit_test(the_first_token_sees_itself_alone),
	    cmocka_unit_test(a_window_of_one_copies_the_values),
	    cmocka_unit_test(huge_scores_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
