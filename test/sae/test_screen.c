/* The screened TopK encoding gives the plain path's latents and values bit for bit, whatever the
 * numbers are. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "sae/sae.h"
#include "sae/screen.h"
#include "sae/screen_kernel.h"
#include "test/support/support_close.h"
#include "test/support/support_sae.h"

enum { D = 131, F = 1511, K = 24, ROWS = 131 };

static const char *const kernels[] = {"ref", "avx2", "avx_vnni", "avx512", "vnni"};
#define KERNELS (sizeof kernels / sizeof *kernels)

/* ThreadSanitizer takes a hundred times as long, and looks at what threads share. That is the same
 * for every kernel and every number, so it gets one kernel, and one in so many of the cases that
 * differ in their numbers alone. */
#ifdef __SANITIZE_THREAD__
enum { FIRST_KERNEL = KERNELS - 1, EVERY = 4 };
#else
enum { FIRST_KERNEL = 0, EVERY = 1 };
#endif

typedef struct bench {
	ps_sae sae;
	float *x; /* (ROWS, d) */
	workspace w;
} bench;

static void bench_open(bench *b, size_t d, size_t f, size_t k, bool rescale)
{
	workspace_open(&b->w, 2, (size_t)256 << 20);
	assert_int_equal(ps_sae_create(&b->sae, PS_SAE_TOPK, d, f, k, &b->w.arena, &b->w.diag), 0);
	b->sae.rescale_by_decoder_norm = rescale;
	b->x = ps_arena_take(&b->w.arena, ROWS * d * sizeof(float));
	fill_normal(b->x, ROWS * d, 1, 1);
	fill_normal(b->sae.enc, f * d, 1 / sqrt((double)d), 2);
	fill_normal(b->sae.dec, f * d, 1 / sqrt((double)d), 3);
	fill_normal(b->sae.b_enc, f, 0.1, 4);
	fill_normal(b->sae.b_dec, d, 0.1, 5);
}

static void encode(bench *b, const char *path, size_t rows, ps_codes *codes)
{
	ps_encoder *encoder;

	setenv("PRUNESCOPE_SCREEN", path, 1);
	assert_int_equal(ps_codes_create(codes, &b->sae, ROWS, &b->w.arena, &b->w.diag), 0);
	assert_int_equal(ps_encoder_create(&encoder, &b->sae, &b->w.context, ROWS, &b->w.arena), 0);
	ps_encoder_run(encoder, b->x, rows, codes);
	unsetenv("PRUNESCOPE_SCREEN");
}

static void compare_paths(bench *b)
{
	ps_codes plain, screened;
	const size_t mark = ps_arena_mark(&b->w.arena);

	encode(b, "plain", ROWS, &plain);
	for (size_t i = FIRST_KERNEL; i < KERNELS; i++) {
		encode(b, kernels[i], ROWS, &screened);
		assert_memory_equal(plain.start, screened.start, (ROWS + 1) * sizeof *plain.start);
		assert_memory_equal(plain.index, screened.index,
				    plain.start[ROWS] * sizeof *plain.index);
		assert_memory_equal(plain.value, screened.value,
				    plain.start[ROWS] * sizeof *plain.value);
	}
	ps_arena_rewind(&b->w.arena, mark);
}

/* Compares the paths for rows centred or not, and for values of any sign or positive ones alone. */
static void check_paths(bench *b)
{
	for (int way = 0; way < 4; way++) {
		b->sae.apply_b_dec_to_input = way & 1;
		b->sae.signed_values = way & 2;
		compare_paths(b);
	}
	b->sae.signed_values = false;
}

static void random_rows_of_any_shape(void **state)
{
	static const size_t shape[][3] = {{D, F, K},    {1152, 1664, 64}, {7, 1024, 1},
					  {1, 1100, 5}, {640, 1025, 128}, {1031, 1153, 33}};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof shape / sizeof *shape; i++) {
		bench b;

		bench_open(&b, shape[i / 2][0], shape[i / 2][1], shape[i / 2][2], i % 2);
		check_paths(&b);
		workspace_close(&b.w);
	}
}

/* Latents come in clusters. Their members are equal or differ in the last bits, which int16 cannot
 * tell apart. */
static void ties_and_near_ties(void **state)
{
	static const size_t cluster[] = {2, 7, 40, 700, F};
	bench b;

	(void)state;
	for (size_t c = 0; c < sizeof cluster / sizeof *cluster; c += EVERY) {
		for (int near = 0; near < 3; near++) {
			bench_open(&b, D, F, K, false);
			for (size_t j = 0; j < F; j++) {
				float *row = b.sae.enc + j * D;

				memcpy(row, b.sae.enc + j % (F / cluster[c]) * D, D * sizeof *row);
				b.sae.b_enc[j] = b.sae.b_enc[j % (F / cluster[c])];
				for (size_t d = 0; d < D && near; d++)
					row[d] = (j * 31 + d) % 3
							 ? row[d]
							 : nextafterf(row[d],
								      near == 1
									      ? 9
									      : (float)(j % 5) - 2);
			}
			check_paths(&b);
			workspace_close(&b.w);
		}
	}
}

/* There are norms over twelve decades, rows along one axis, rows of zeros, subnormal and huge
 * values, infinities and NaN. */
static void values_of_every_size(void **state)
{
	const float odd[] = {INFINITY, -INFINITY, NAN, 3e38f, -1e30f, 1e19f,
			     1e-45f,   1e-38f,    0,   -0.0f, 1e15f};
	const size_t odds = sizeof odd / sizeof *odd;
	bench b;

	(void)state;
	bench_open(&b, D, F, K, true);
	for (size_t j = 0; j < F; j++)
		for (size_t d = 0; d < D; d++) {
			b.sae.enc[j * D + d] *= powf(10, (float)(j % 13) - 6);
			if (j % 17 == 3)
				b.sae.enc[j * D + d] = d == j % D ? 2 : 0;
		}
	for (size_t r = 0; r < ROWS; r++)
		for (size_t d = 0; d < D; d++) {
			b.x[r * D + d] *= powf(10, (float)(r % 9) - 4);
			if (r % 10 == 7)
				b.x[r * D + d] = d == r ? 3 : b.sae.b_dec[d];
		}
	check_paths(&b);
	for (size_t i = 0; i < odds; i += EVERY) {
		b.sae.enc[(31 * i + 5) * D + i] = odd[i];
		b.sae.b_enc[31 * i + 9] = odd[i];
		b.x[(3 * i + 1) * D + 2 * i] = odd[i];
		b.sae.dec[(31 * i + 13) * D + i] = odd[i];
		check_paths(&b);
	}
	workspace_close(&b.w);
}

/* The int16 rows have the largest elements and norms that the scales allow. No sum may wrap. */
static void the_largest_sums_fit(void **state)
{
	bench b;

	(void)state;
	for (int shape = 0; shape < 3; shape++) {
		const size_t d = shape == 0 ? 2 : shape == 1 ? 3 : 4096;

		bench_open(&b, d, 1024, 16, false);
		for (size_t i = 0; i < 1024 * d; i++)
			b.sae.enc[i] = i / d % 2 ? 1 : -1 - (float)(i % 3) / 1000;
		for (size_t i = 0; i < ROWS * d; i++)
			b.x[i] = i / d % 2 ? 5 : -5;
		check_paths(&b);
		workspace_close(&b.w);
	}
}

/* Screening is of use only if it leaves few candidates. It must never leave fewer than are
 * selected. */
static void few_candidates_are_left(void **state)
{
	enum { WIDE = 1152, LATENTS = 16384, CHOSEN = 64 };
	bench b;
	ps_sae_layout layout;
	ps_screen *screen;
	size_t total = 0;

	(void)state;
	bench_open(&b, WIDE, LATENTS, CHOSEN, false);
	layout = ps_sae_layout_in(&b.w.arena, &b.w.context);
	screen = ps_screen_lay_out(&layout, WIDE, LATENTS, CHOSEN);
	ps_screen_take_latents(screen, 0, LATENTS, b.sae.enc, b.sae.b_enc, NULL);
	ps_screen_run(screen, b.x, PS_SCREEN_ROWS, LATENTS, CHOSEN, true, 0);
	for (size_t r = 0; r < PS_SCREEN_ROWS; r++) {
		size_t count;

		assert_non_null(ps_screen_candidates(screen, 0, r, &count));
		assert_true(count >= CHOSEN);
		total += count;
	}
	print_message("kernel %s: %.1f candidates a row for the %d largest of %d\n",
		      ps_screen_kernel_name(screen), (double)total / PS_SCREEN_ROWS, CHOSEN,
		      LATENTS);
	assert_true(total < PS_SCREEN_ROWS * CHOSEN * 5 / 4);
	workspace_close(&b.w);
}

/* Each kernel of this CPU sums as its definition says, on whole blocks and on parts of blocks. */
static void kernels_sum_exactly(void **state)
{
	enum { PAIRS = 37 };
	int16_t x[PAIRS * PS_SCREEN_ROWS_MAX * 2], w[PAIRS * PS_SCREEN_LATENTS_MAX * 2];
	int32_t sum[PS_SCREEN_ROWS_MAX * PS_SCREEN_LATENTS_MAX];
	ps_rng rng = ps_rng_make(11, 0);

	(void)state;
	for (size_t i = 0; i < sizeof x / sizeof *x; i++)
		x[i] = (int16_t)(ps_rng_below(&rng, 8191) - 4095);
	for (size_t i = 0; i < sizeof w / sizeof *w; i++)
		w[i] = (int16_t)(ps_rng_below(&rng, 8191) - 4095);
	for (size_t i = 0; i < KERNELS; i++) {
		const ps_screen_kernel *kernel = ps_screen_kernel_choose(kernels[i]);

		kernel->tile(PAIRS - 8, x, w, false, sum);
		kernel->tile(8, x + (PAIRS - 8) * kernel->rows * 2,
			     w + (PAIRS - 8) * kernel->latents * 2, true, sum);
		for (size_t r = 0; r < kernel->rows; r++)
			for (size_t n = 0; n < kernel->latents; n++) {
				int64_t expected = 0;

				for (size_t p = 0; p < PAIRS; p++)
					for (size_t c = 0; c < 2; c++)
						expected += x[(p * kernel->rows + r) * 2 + c] *
							    w[(p * kernel->latents + n) * 2 + c];
				assert_int_equal(sum[r * kernel->latents + n], expected);
			}
	}
}

/* `reach` marks the latents whose upper end, by `estimate`, is at or above the bound. Every
 * kernel's ends are those of the definition. */
static void kernels_estimate_alike(void **state)
{
	enum { COUNT = 29, WIDE = PS_SCREEN_LATENTS_MAX };
	float latent[5][WIDE], bound[COUNT], lower[WIDE], upper[WIDE];
	const ps_screen_bounds bounds = {latent[0], latent[1], latent[2], latent[3], latent[4]};
	int32_t sum[COUNT * WIDE];
	ps_screen_row row[COUNT];
	uint32_t reached[COUNT];
	ps_rng rng = ps_rng_make(12, 0);

	(void)state;
	for (size_t i = 0; i < 5 * WIDE; i++)
		latent[i / WIDE][i % WIDE] =
			(i / WIDE == 0 ? 1e-4f : 0.1f) * (float)ps_rng_uniform(&rng);
	for (size_t i = 0; i < COUNT * WIDE; i++)
		sum[i] = (int32_t)ps_rng_below(&rng, 2000001) - 1000000;
	for (size_t r = 0; r < COUNT; r++) {
		row[r] = (ps_screen_row){1e-2f * (float)ps_rng_uniform(&rng),
					 (float)ps_rng_uniform(&rng), (float)ps_rng_uniform(&rng)};
		bound[r] = 0.5f * (float)ps_rng_uniform(&rng);
	}
	for (size_t i = 0; i < KERNELS; i++) {
		const ps_screen_kernel *kernel = ps_screen_kernel_choose(kernels[i]);
		closeness c = {0};

		kernel->reach(sum, &bounds, row, bound, COUNT, reached);
		for (size_t r = 0; r < COUNT; r++) {
			kernel->estimate(sum + r * kernel->latents, &bounds, &row[r], lower, upper);
			for (size_t n = 0; n < kernel->latents; n++) {
				const double value = sum[r * kernel->latents + n] *
							     (double)latent[0][n] * row[r].scale +
						     latent[1][n];
				const double error = row[r].norm * (double)latent[2][n] +
						     row[r].error * (double)latent[3][n] +
						     latent[4][n];

				closeness_add_named(&c, "lower", lower[n], value - error, 1);
				closeness_add_named(&c, "upper", upper[n], value + error, 1);
				assert_int_equal(reached[r] >> n & 1, upper[n] >= bound[r]);
			}
		}
		assert_closeness(&c, kernels[i], 3e-7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernels_sum_exactly),
		cmocka_unit_test(kernels_estimate_alike),
		cmocka_unit_test(random_rows_of_any_shape),
		cmocka_unit_test(ties_and_near_ties),
		cmocka_unit_test(values_of_every_size),
		cmocka_unit_test(the_largest_sums_fit),
		cmocka_unit_test(few_candidates_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
