/* Attention: it agrees with its reference in double precision, and rows do not depend on each
 * other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <math.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "core/model/attention.h"
#include "test/support/support_close.h"

#define TOLERANCE 2e-6 /* of the largest |v| */
#define WIDE_TOLERANCE 8e-7
#define BF16_TOLERANCE 1.5e-2 /* bf16 keeps 8 bits of q, k, v and of the weights */
#define GAP 3                 /* floats between rows that no head may touch */
#define UNTOUCHED 12345.0f

/* One head's q, k and v, drawn from a seed, and room for its output. Between rows there are GAP
 * floats. */
struct head {
	ps_kernel kernel;
	ps_attention a;
	float *q, *k, *v, *out, *scratch;
};

static void *aligned(size_t bytes)
{
	void *p = aligned_alloc(64, ps_round_up(bytes, 64));

	assert_non_null(p);
	return p;
}

static float *draw(size_t rows, size_t width, float spread, ps_rng *rng)
{
	size_t stride = width + GAP;
	float *x = malloc(rows * stride * sizeof *x);

	assert_non_null(x);
	for (size_t i = 0; i < rows * stride; i++)
		x[i] = i % stride < width ? spread * ps_rng_normal(rng) : NAN;
	return x;
}

static struct head head_make(ps_precision precision, size_t tokens, size_t width, size_t sliding,
			     double softcap, float spread, uint64_t seed)
{
	ps_rng rng = ps_rng_make(seed, 0);
	const size_t stride = width + GAP;
	struct head h = {.kernel = ps_kernel_choose(precision),
			 .q = draw(tokens, width, spread, &rng),
			 .k = draw(tokens, width, spread, &rng),
			 .v = draw(tokens, width, 1, &rng),
			 .out = draw(tokens, width, 1, &rng)};

	for (size_t i = 0; i < tokens * stride; i++)
		h.out[i] = UNTOUCHED;
	/* Exactly as much scratch as promised, so that a sanitizer sees every access beyond it. */
	h.scratch = aligned(ps_attention_scratch(&h.kernel, tokens, width) * sizeof(float));
	h.a = (ps_attention){.keys = {.head_width = width,
				      .tokens = tokens,
				      .words = aligned(ps_keys_words(&h.kernel, tokens, width) *
						       sizeof(uint32_t))},
			     .sliding = sliding,
			     .scale = 1 / sqrt((double)width),
			     .softcap = softcap,
			     .q_stride = stride,
			     .out_stride = stride};
	memset(h.a.keys.words, 0xff, ps_keys_words(&h.kernel, tokens, width) * sizeof(uint32_t));
	return h;
}

/* Packs the current keys, in two parts if there are enough. */
static void pack(struct head *h)
{
	const size_t stride = h->a.q_stride, tokens = h->a.keys.tokens,
		     part = tokens < h->kernel.w_panel ? tokens : h->kernel.w_panel;

	h->a.keys.kernel = &h->kernel;
	ps_keys_pack(&h->a.keys, 0, part, h->k, stride, h->v, stride);
	if (part < tokens)
		ps_keys_pack(&h->a.keys, part, tokens - part, h->k, stride, h->v, stride);
}

/* Computes query rows [first, first + count) with the packed keys. */
static void attend_part(struct head *h, size_t first, size_t count)
{
	h->a.q = h->q + first * h->a.q_stride;
	h->a.out = h->out + first * h->a.out_stride;
	ps_attention_run(&h->a, first, count, h->scratch);
}

static void attend(struct head *h)
{
	pack(h);
	attend_part(h, 0, h->a.keys.tokens);
}

static void head_free(struct head *h)
{
	free(h->q);
	free(h->k);
	free(h->v);
	free(h->out);
	free(h->scratch);
	free(h->a.keys.words);
}

static size_t out_bytes(const struct head *h)
{
	return h->a.keys.tokens * h->a.out_stride * sizeof(float);
}

static float *copy_out(const struct head *h)
{
	float *out = malloc(out_bytes(h));

	assert_non_null(out);
	return memcpy(out, h->out, out_bytes(h));
}

static double largest_v(const struct head *h)
{
	float largest = 0;

	for (size_t t = 0; t < h->a.keys.tokens; t++)
		for (size_t d = 0; d < h->a.keys.head_width; d++)
			largest = fmaxf(largest, fabsf(h->v[t * h->a.q_stride + d]));
	return (double)largest;
}

/* Adds the errors of the head, as shares of the largest |v|. */
static void run_and_compare(struct head *h, closeness *c)
{
	double *scratch = malloc(h->a.keys.tokens * sizeof *scratch), unit = largest_v(h);
	float *exact = copy_out(h);

	assert_non_null(scratch);
	attend(h);
	h->a.q = h->q;
	h->a.out = exact;
	ps_attention_ref(&h->a, h->k, h->v, h->a.q_stride, 0, h->a.keys.tokens, scratch);
	for (size_t t = 0; t < h->a.keys.tokens; t++)
		for (size_t d = 0; d < h->a.out_stride; d++) {
			size_t at = t * h->a.out_stride + d;

			if (d >= h->a.keys.head_width) {
				assert_true(h->out[at] == UNTOUCHED);
				continue;
			}
			closeness_add(c, (double)h->out[at], (double)exact[at], unit);
		}
	free(exact);
	free(scratch);
}

static closeness closeness_of_shapes(ps_precision precision)
{
	static const size_t widths[] = {1, 8, 16, 30, 64, 72, 128, 256},
			    windows[] = {0, 1, 5, 16, 40, 200};
	ps_rng rng = ps_rng_make(1, 1);
	closeness c = {0};

	for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
		for (size_t s = 0; s < sizeof windows / sizeof *windows; s++)
			for (int capped = 0; capped < 2; capped++) {
				struct head h =
					head_make(precision, 1 + ps_rng_below(&rng, 130), widths[w],
						  windows[s], capped ? 5 : 0, 1.5f, w * 100 + s);

				run_and_compare(&h, &c);
				head_free(&h);
			}
	return c;
}

static void any_shape_matches_double_precision(void **state)
{
	const closeness c = closeness_of_shapes(PS_PRECISION_F32);

	(void)state;
	assert_closeness(&c, "f32, of the largest |v|", TOLERANCE);
}

static void any_shape_in_bf16_stays_within_its_rounding(void **state)
{
	const closeness c = closeness_of_shapes(PS_PRECISION_BF16);

	(void)state;
	assert_closeness(&c, "bf16, of the largest |v|", BF16_TOLERANCE);
}

static void long_windows_match_double_precision(void **state)
{
	(void)state;
	for (size_t sliding = 0; sliding <= 512; sliding += 512) {
		struct head h = head_make(PS_PRECISION_F32, 1100, 64, sliding, 0, 1, sliding);
		closeness c = {0};

		run_and_compare(&h, &c);
		assert_closeness(&c, sliding ? "sliding over 512" : "not sliding", WIDE_TOLERANCE);
		head_free(&h);
	}
}

static void any_split_of_the_rows_gives_the_same_bits(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		size_t sliding = i % 2 * 20;
		struct head h = head_make(i / 2 ? PS_PRECISION_BF16 : PS_PRECISION_F32, 75, 40,
					  sliding, 50, 2, 9);
		float *whole;

		attend(&h);
		whole = copy_out(&h);
		for (size_t part = 1; part < h.a.keys.tokens; part++) {
			memset(h.out, 0, out_bytes(&h));
			for (size_t first = 0; first < h.a.keys.tokens; first += part)
				attend_part(&h, first,
					    first + part < h.a.keys.tokens
						    ? part
						    : h.a.keys.tokens - first);
			for (size_t t = 0; t < h.a.keys.tokens; t++)
				assert_memory_equal(h.out + t * h.a.out_stride,
						    whole + t * h.a.out_stride,
						    h.a.keys.head_width * sizeof(float));
		}
		free(whole);
		head_free(&h);
	}
}

/* Neither the length of the window nor rows that a query does not see leave a trace, even if they
 * are not finite. */
static void hidden_rows_leave_no_trace(void **state)
{
	const size_t hidden[] = {0, 1, 20, 59, 60, 61, 62, 79};

	(void)state;
	for (size_t run = 0; run < 4; run++) {
		size_t sliding = run % 2 * 10;
		struct head h = head_make(run / 2 ? PS_PRECISION_BF16 : PS_PRECISION_F32, 80, 48,
					  sliding, 0, 1, 4);
		float *clean;

		attend(&h);
		clean = copy_out(&h);
		for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
			size_t j = hidden[i], last = sliding ? j + sliding : h.a.keys.tokens;
			float kept = h.v[j * h.a.q_stride], key = h.k[j * h.a.q_stride];

			h.v[j * h.a.q_stride] = NAN;
			h.k[j * h.a.q_stride] = NAN;
			attend(&h);
			for (size_t t = 0; t < h.a.keys.tokens; t++) {
				float *row = h.out + t * h.a.out_stride;

				if (t < j || t >= last)
					assert_memory_equal(row, clean + t * h.a.out_stride,
							    h.a.keys.head_width * sizeof(float));
				else
					assert_true(isnan(row[0]));
			}
			h.v[j * h.a.q_stride] = kept;
			h.k[j * h.a.q_stride] = key;
		}
		h.a.keys.tokens = 33;
		memset(h.out, 0, out_bytes(&h));
		attend(&h);
		for (size_t t = 0; t < h.a.keys.tokens; t++)
			assert_memory_equal(h.out + t * h.a.out_stride, clean + t * h.a.out_stride,
					    h.a.keys.head_width * sizeof(float));
		free(clean);
		head_free(&h);
	}
}

static void the_first_token_sees_itself_alone(void **state)
{
	struct head h = head_make(PS_PRECISION_F32, 3, 24, 0, 0, 1, 2);

	(void)state;
	attend(&h);
	assert_memory_equal(h.out, h.v, h.a.keys.head_width * sizeof(float));
	head_free(&h);
}

static void a_window_of_one_copies_the_values(void **state)
{
	struct head h = head_make(PS_PRECISION_F32, 50, 24, 1, 0, 1, 2);

	(void)state;
	attend(&h);
	for (size_t t = 0; t < h.a.keys.tokens; t++)
		assert_memory_equal(h.out + t * h.a.out_stride, h.v + t * h.a.q_stride,
				    h.a.keys.head_width * sizeof(float));
	head_free(&h);
}

static void huge_scores_do_not_overflow(void **state)
{
	struct head h = head_make(PS_PRECISION_F32, 90, 64, 0, 0, 300, 6);
	closeness c = {0};

	(void)state;
	run_and_compare(&h, &c);
	/* Scores differ by much more than their rounding, so one key takes all the weight. */
	assert_closeness(&c, "huge scores, of the largest |v|", 1e-6);
	head_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_shape_matches_double_precision),
		cmocka_unit_test(any_shape_in_bf16_stays_within_its_rounding),
		cmocka_unit_test(long_windows_match_double_precision),
		cmocka_unit_test(any_split_of_the_rows_gives_the_same_bits),
		cmocka_unit_test(hidden_rows_leave_no_trace),
		cmocka_unit_test(the_first_token_sees_itself_alone),
		cmocka_unit_test(a_window_of_one_copies_the_values),
		cmocka_unit_test(huge_scores_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
