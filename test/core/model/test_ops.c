/* The operations between the matrix products agree with their formulas in double precision. */
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
#include "core/model/ops.h"
#include "test/support/support_close.h"

#define LENGTH_MAX 600

static const double two_pi = 6.283185307179586;

/* Draws n values of the given spread. */
static void draw(float *x, size_t n, float spread, uint64_t seed)
{
	ps_rng rng = ps_rng_make(seed, 0);

	for (size_t i = 0; i < n; i++)
		x[i] = spread * ps_rng_normal(&rng);
}

/* The unit in the last place of `exact`, taken as a float. */
static double ulp(double exact)
{
	int exponent;

	frexp(exact, &exponent);
	return ldexp(1, exponent - 24);
}

static void dot_matches_double_precision_at_any_length(void **state)
{
	float a[LENGTH_MAX], b[LENGTH_MAX];
	closeness c = {0};

	(void)state;
	draw(a, LENGTH_MAX, 1, 1);
	draw(b, LENGTH_MAX, 1, 2);
	assert_true(ps_dot(a, b, 0) == 0);
	for (size_t n = 1; n <= LENGTH_MAX; n++) {
		double sum = 0, size = 0;

		for (size_t i = 0; i < n; i++) {
			sum += (double)a[i] * (double)b[i];
			size += fabs((double)a[i] * (double)b[i]);
		}
		closeness_add(&c, (double)ps_dot(a, b, n), sum, size);
	}
	assert_closeness(&c, "dot products, of sum |a b|", 3e-7);
}

static void dot_has_the_same_bits_at_any_address(void **state)
{
	float a[LENGTH_MAX], b[LENGTH_MAX], shifted[LENGTH_MAX + 16];

	(void)state;
	draw(a, LENGTH_MAX, 1, 3);
	draw(b, LENGTH_MAX, 1, 4);
	for (size_t offset = 1; offset < 16; offset++) {
		float here = ps_dot(a, b, 333), there;

		memcpy(shifted + offset, b, sizeof b);
		there = ps_dot(a, shifted + offset, 333);
		assert_memory_equal(&here, &there, sizeof here);
	}
}

static void rms_norm_matches_double_precision_also_in_place(void **state)
{
	static const size_t lengths[] = {1, 7, 16, 64, 257, 600};
	float x[LENGTH_MAX], gain[LENGTH_MAX], out[LENGTH_MAX];
	closeness c = {0};

	(void)state;
	for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
		for (int plus_one = 0; plus_one < 2; plus_one++) {
			size_t n = lengths[l];
			double mean = 0;

			draw(x, n, l % 2 ? 30.0f : 0.01f, l);
			draw(gain, n, 1, 100 + l);
			for (size_t i = 0; i < n; i++)
				mean += (double)x[i] * (double)x[i] / (double)n;
			ps_rms_norm(x, gain, n, 1e-6, plus_one, out);
			for (size_t i = 0; i < n; i++) {
				double exact = (double)x[i] / sqrt(mean + 1e-6) *
					       (plus_one + (double)gain[i]);

				closeness_add(&c, (double)out[i], exact,
					      fabs((double)x[i]) / sqrt(mean + 1e-6));
			}
			ps_rms_norm(x, gain, n, 1e-6, plus_one, x);
			assert_memory_equal(x, out, n * sizeof *x);
		}
	assert_closeness(&c, "RMS norm, of |x| / rms", 1e-6);
}

static void rms_norm_of_zeros_is_zero(void **state)
{
	float x[40] = {0}, gain[40];

	(void)state;
	draw(gain, 40, 1, 5);
	ps_rms_norm(x, gain, 40, 1e-5, true, x);
	for (size_t i = 0; i < 40; i++)
		assert_true(x[i] == 0);
}

static void exp_is_within_two_ulp(void **state)
{
	closeness c = {0};

	(void)state;
	for (float x = -87; x <= 88; x += 0.0007f) {
		float y;

		ps_exp(&x, 1, &y);
		closeness_add(&c, (double)y, exp((double)x), ulp(exp((double)x)));
	}
	assert_closeness(&c, "exp, in ulp", 2);
}

static void exp_of_extremes(void **state)
{
	const float x[] = {0, -0.0f, -87.5f, -1000, -INFINITY, 89, 1e30f, INFINITY, NAN};
	float y[sizeof x / sizeof *x];

	(void)state;
	ps_exp(x, sizeof x / sizeof *x, y);
	assert_true(y[0] == 1 && y[1] == 1);
	for (size_t i = 2; i < 5; i++)
		assert_true(y[i] == 0);
	for (size_t i = 5; i < 8; i++)
		assert_true(y[i] > 1e38f && isfinite(y[i]));
	assert_true(isnan(y[8]));
}

static void exp_falls_nowhere_by_more_than_two_ulp(void **state)
{
	float last = 0;

	(void)state;
	for (float x = -3; x < 3; x += 1e-5f) {
		float y;

		ps_exp(&x, 1, &y);
		assert_true(y >= last * (1 - 2.4e-7f));
		last = y;
	}
}

/* The result of a value does not depend on its place, nor on the length. */
static void elementwise_functions_have_the_same_bits_at_any_place(void **state)
{
	float x[100], one, all[100], up[100];

	(void)state;
	draw(x, 100, 4, 6);
	draw(up, 100, 1, 7);
	ps_exp(x, 100, all);
	for (size_t i = 0; i < 100; i++) {
		ps_exp(x + i, 1, &one);
		assert_memory_equal(&one, all + i, sizeof one);
	}
	memcpy(all, x, sizeof all);
	ps_gate_silu(all, up, 5, 20, 20);
	for (size_t i = 0; i < 100; i++) {
		one = x[i];
		ps_gate_silu(&one, up + i, 1, 1, 1);
		assert_memory_equal(&one, all + i, sizeof one);
	}
	memcpy(all, x, sizeof all);
	ps_gate_gelu(all, up, 5, 20, 20);
	for (size_t i = 0; i < 100; i++) {
		one = x[i];
		ps_gate_gelu(&one, up + i, 1, 1, 1);
		assert_memory_equal(&one, all + i, sizeof one);
	}
	memcpy(all, x, sizeof all);
	ps_softcap(all, 100, 50);
	for (size_t i = 0; i < 100; i++) {
		one = x[i];
		ps_softcap(&one, 1, 50);
		assert_memory_equal(&one, all + i, sizeof one);
	}
}

static double silu(double z)
{
	return z / (1 + exp(-z));
}

static double gelu(double z)
{
	return z / 2 * (1 + tanh(sqrt(4 / two_pi) * (z + 0.044715 * z * z * z)));
}

/* A gate over [-40, 40]; errors are shares of max(1, |exact|). */
static closeness gate_closeness(void (*gate)(float *, const float *, size_t, size_t, size_t),
				double (*exact)(double))
{
	closeness c = {0};

	for (float z = -40; z <= 40; z += 0.0003f) {
		float up = 1.5f, out = z;
		double value = exact((double)z) * 1.5;

		gate(&out, &up, 1, 1, 1);
		closeness_add(&c, (double)out, value, fmax(1, fabs(value)));
	}
	return c;
}

static void gates_match_double_precision(void **state)
{
	const closeness s = gate_closeness(ps_gate_silu, silu),
			g = gate_closeness(ps_gate_gelu, gelu);

	(void)state;
	assert_closeness(&s, "SiLU gate", 4e-7);
	assert_closeness(&g, "GELU gate", 4e-7);
}

/* Two rows of two values, four apart: the values between them stay as they are. */
static void gates_hold_at_extremes_and_keep_to_their_rows(void **state)
{
	const float z[] = {-1e4f, 1e4f, 7, 7, 0, 2, 7, 7}, up[] = {3, 3, 3, 3, 3, 3, 3, 3};

	(void)state;
	for (int gelu_too = 0; gelu_too < 2; gelu_too++) {
		float out[8];

		memcpy(out, z, sizeof z);
		(gelu_too ? ps_gate_gelu : ps_gate_silu)(out, up, 2, 2, 4);
		assert_true(fabsf(out[0]) < 1e-30f && out[1] == 3e4f && out[4] == 0);
		assert_true(out[2] == 7 && out[3] == 7 && out[6] == 7 && out[7] == 7);
	}
}

static void sums_of_exponentials_match_double_precision(void **state)
{
	closeness terms = {0}, sums = {0};

	(void)state;
	for (size_t n = 1; n <= 300; n += 23) {
		float x[300], y[300];
		float highest = -1e30f;
		double sum = 0, largest, got;

		draw(x, n, 20, n);
		memcpy(y, x, sizeof y);
		for (size_t i = 0; i < n; i++)
			highest = fmaxf(highest, x[i]);
		assert_true(ps_max(x, n) == highest);
		largest = (double)highest;
		got = (double)ps_exp_sum(y, n);
		for (size_t i = 0; i < n; i++) {
			sum += exp((double)x[i] - largest);
			closeness_add(&terms, (double)y[i], exp((double)x[i] - largest), 1);
		}
		closeness_add(&sums, got, sum, sum);
	}
	assert_closeness(&terms, "terms", 1e-7);
	assert_closeness(&sums, "sums, relatively", 4e-7);
}

static void softcap_matches_double_precision(void **state)
{
	static const double caps[] = {50, 30, 1};
	closeness values = {0};

	(void)state;
	for (size_t c = 0; c < 3; c++)
		for (double x = -6 * caps[c]; x < 6 * caps[c]; x += caps[c] / 3000) {
			float y = (float)x;
			double exact = caps[c] * tanh((double)y / caps[c]);

			ps_softcap(&y, 1, caps[c]);
			closeness_add(&values, (double)y, exact, fmax(fabs(exact), caps[c] * 1e-3));
		}
	assert_closeness(&values, "softcap, relatively", 6e-7);
}

static void softcap_saturates_and_keeps_nan(void **state)
{
	float x[] = {1e30f, -1e30f, INFINITY, -INFINITY, 0, NAN};

	(void)state;
	ps_softcap(x, 6, 30);
	assert_true(x[0] == 30 && x[1] == -30 && x[2] == 30 && x[3] == -30 && x[4] == 0);
	assert_true(isnan(x[5]));
}

/* Compares a table with cos and sin of position * frequency, for float32 frequencies. Errors are a
 * share of 1 + angle. */
static void check_table(const char *what, const ps_rope *rope, size_t width, size_t positions,
			double (*frequency)(const ps_rope *, double))
{
	size_t half = width / 2;
	float *c = malloc(positions * half * sizeof *c), *s = malloc(positions * half * sizeof *s);
	closeness close = {0};

	assert_non_null(c);
	assert_non_null(s);
	ps_rope_table(rope, width, positions, c, s);
	for (size_t t = 0; t < positions; t++)
		for (size_t i = 0; i < half; i++) {
			double angle =
				(double)t *
				frequency(rope, pow(rope->theta, -2.0 * (double)i / (double)width));

			closeness_add(&close, (double)c[t * half + i], cos(angle), 1 + angle);
			closeness_add(&close, (double)s[t * half + i], sin(angle), 1 + angle);
		}
	free(c);
	free(s);
	assert_closeness(&close, what, 2e-7);
}

static double linear_frequency(const ps_rope *rope, double f)
{
	return f / rope->factor;
}

/* By wavelength: short ones stay, long ones are divided; between them the share is linear in 1 /
 * wavelength. */
static double llama3_frequency(const ps_rope *rope, double f)
{
	double turns = rope->original_positions * f / two_pi;
	double share =
		(turns - rope->low_freq_factor) / (rope->high_freq_factor - rope->low_freq_factor);

	share = fmin(1, fmax(0, share));
	return f * (share + (1 - share) / rope->llama3_factor);
}

static void rope_tables_hold_cos_and_sin_of_the_scaled_angles(void **state)
{
	const ps_rope plain = {.theta = 10000, .factor = 1}, linear = {.theta = 1e6, .factor = 8};
	const ps_rope llama3 = {.theta = 500000,
				.factor = 1,
				.llama3 = true,
				.llama3_factor = 32,
				.low_freq_factor = 1,
				.high_freq_factor = 4,
				.original_positions = 8192};

	(void)state;
	check_table("plain", &plain, 64, 2000, linear_frequency);
	check_table("linear", &linear, 256, 2000, linear_frequency);
	check_table("llama3", &llama3, 128, 2000, llama3_frequency);
}

static void rope_turns_halves_by_the_angle(void **state)
{
	const ps_rope rope = {.theta = 10000, .factor = 1};
	float c[12 * 36], s[12 * 36], head[72], turned[72];
	closeness close = {0};

	(void)state;
	ps_rope_table(&rope, 72, 12, c, s);
	draw(head, 72, 1, 8);
	memcpy(turned, head, sizeof head);
	ps_rope_apply(turned, 72, c, s);
	assert_memory_equal(turned, head, sizeof head);
	ps_rope_apply(turned, 72, c + 11 * 36, s + 11 * 36);
	for (size_t i = 0; i < 36; i++) {
		double angle = 11 * pow(10000, -2.0 * (double)i / 72), a = (double)head[i],
		       b = (double)head[36 + i];

		closeness_add(&close, (double)turned[i], a * cos(angle) - b * sin(angle), 1);
		closeness_add(&close, (double)turned[36 + i], b * cos(angle) + a * sin(angle), 1);
	}
	assert_closeness(&close, "turned halves", 2e-6);
}

static void rows_are_copied_between_strides_and_nothing_else(void **state)
{
	enum { ROWS = 3, FROM = 41, TO = 44 };
	float src[ROWS * FROM], dst[ROWS * TO];

	(void)state;
	draw(src, ROWS * FROM, 1, 7);
	for (size_t n = 0; n <= FROM; n++) {
		memset(dst, 0, sizeof dst);
		ps_copy_rows(dst, TO, src, FROM, ROWS, n);
		for (size_t i = 0; i < ROWS * TO; i++) {
			const size_t row = i / TO, column = i % TO;

			assert_true(dst[i] == (column < n ? src[row * FROM + column] : 0));
		}
	}
}

static void sums_are_those_of_single_numbers(void **state)
{
	float a[LENGTH_MAX], b[LENGTH_MAX], sum[LENGTH_MAX];

	(void)state;
	draw(a, LENGTH_MAX, 1, 8);
	draw(b, LENGTH_MAX, 1, 9);
	ps_add(a, b, LENGTH_MAX - 1, sum);
	for (size_t i = 0; i < LENGTH_MAX - 1; i++)
		assert_true(sum[i] == a[i] + b[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dot_matches_double_precision_at_any_length),
		cmocka_unit_test(dot_has_the_same_bits_at_any_address),
		cmocka_unit_test(rms_norm_matches_double_precision_also_in_place),
		cmocka_unit_test(rms_norm_of_zeros_is_zero),
		cmocka_unit_test(exp_is_within_two_ulp),
		cmocka_unit_test(exp_of_extremes),
		cmocka_unit_test(exp_falls_nowhere_by_more_than_two_ulp),
		cmocka_unit_test(elementwise_functions_have_the_same_bits_at_any_place),
		cmocka_unit_test(gates_match_double_precision),
		cmocka_unit_test(gates_hold_at_extremes_and_keep_to_their_rows),
		cmocka_unit_test(sums_of_exponentials_match_double_precision),
		cmocka_unit_test(softcap_matches_double_precision),
		cmocka_unit_test(softcap_saturates_and_keeps_nan),
		cmocka_unit_test(rope_tables_hold_cos_and_sin_of_the_scaled_angles),
		cmocka_unit_test(rope_turns_halves_by_the_angle),
		cmocka_unit_test(rows_are_copied_between_strides_and_nothing_else),
		cmocka_unit_test(sums_are_those_of_single_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
