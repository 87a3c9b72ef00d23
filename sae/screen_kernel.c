#include "sae/screen_kernel.h"

#include <string.h>

#include "core/model/int16_step.h"

enum { REF_ROWS = 4, REF_LATENTS = 8 };

static void tile_ref(size_t pairs, const int16_t *x, const int16_t *w, bool add, int32_t *sum)
{
	if (!add)
		memset(sum, 0, REF_ROWS * REF_LATENTS * sizeof *sum);
	for (size_t p = 0; p < pairs; p++, x += 2 * REF_ROWS, w += 2 * REF_LATENTS)
		for (int r = 0; r < REF_ROWS; r++)
			for (int n = 0; n < REF_LATENTS; n++)
				sum[r * REF_LATENTS + n] +=
					x[2 * r] * w[2 * n] + x[2 * r + 1] * w[2 * n + 1];
}

static void estimate_ref(const int32_t *sum, const ps_screen_bounds *b, const ps_screen_row *row,
			 float *lower, float *upper)
{
	for (int n = 0; n < REF_LATENTS; n++) {
		const float value = (float)sum[n] * (b->scale[n] * row->scale) + b->bias[n];
		const float error =
			row->norm * b->by_x_norm[n] + row->error * b->by_x_error[n] + b->fixed[n];

		lower[n] = value - error;
		upper[n] = value + error;
	}
}

static void reach_ref(const int32_t *sum, const ps_screen_bounds *b, const ps_screen_row *row,
		      const float *bound, size_t count, uint32_t *reached)
{
	float lower[REF_LATENTS], upper[REF_LATENTS];

	for (size_t r = 0; r < count; r++) {
		estimate_ref(sum + r * REF_LATENTS, b, &row[r], lower, upper);
		reached[r] = 0;
		for (int n = 0; n < REF_LATENTS; n++)
			reached[r] |= (uint32_t)(upper[n] >= bound[r]) << n;
	}
}

#if defined(__x86_64__)
enum { AVX2_ROWS = 6, AVX2_LATENTS = 16, AVX512_ROWS = 12, AVX512_LATENTS = 32 };

/* The tile for vectors of BITS bits, LANES latents each. */
#define DEFINE_TILE(ISA, TARGET, BITS, LANES, ROWS)                                                \
	__attribute__((target(TARGET))) static void tile_##ISA(                                    \
		size_t pairs, const int16_t *x_panel, const int16_t *w_panel, bool add,            \
		int32_t *out)                                                                      \
	{                                                                                          \
		const int32_t *x = (const void *)x_panel, *w = (const void *)w_panel;              \
		__m##BITS##i sum[ROWS][2];                                                         \
                                                                                                   \
		_Pragma("GCC unroll 24") for (size_t i = 0; i < 2 * ROWS; i++) sum[i / 2][i % 2] = \
			add ? _mm##BITS##_loadu_si##BITS((const void *)(out + i * LANES))          \
			    : _mm##BITS##_setzero_si##BITS();                                      \
		PS_INT16_SUMS(ISA, BITS, LANES, ROWS, pairs, x, w, sum)                            \
		_Pragma("GCC unroll 24") for (size_t i = 0; i < 2 * ROWS; i++)                     \
			_mm##BITS##_storeu_si##BITS((void *)(out + i * LANES), sum[i / 2][i % 2]); \
	}

DEFINE_TILE(avx2, "avx2", 256, 8, AVX2_ROWS)
DEFINE_TILE(avx_vnni, "avx2,avxvnni", 256, 8, AVX2_ROWS)
DEFINE_TILE(avx512bw, "avx512f,avx512bw", 512, 16, AVX512_ROWS)
DEFINE_TILE(avx512_vnni, "avx512f,avx512bw,avx512vnni", 512, 16, AVX512_ROWS)

/* Value and error of eight latents on one row. */
struct ends_avx2 {
	__m256 value, error;
};

__attribute__((target("avx2,fma"), always_inline)) static inline struct ends_avx2
ends_avx2(__m256i sum, const ps_screen_bounds *b, int n, const ps_screen_row *row)
{
	const __m256 scale =
		_mm256_mul_ps(_mm256_loadu_ps(b->scale + n), _mm256_set1_ps(row->scale));
	const __m256 most =
		_mm256_fmadd_ps(_mm256_set1_ps(row->norm), _mm256_loadu_ps(b->by_x_norm + n),
				_mm256_loadu_ps(b->fixed + n));

	return (struct ends_avx2){
		_mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, _mm256_loadu_ps(b->bias + n)),
		_mm256_fmadd_ps(_mm256_set1_ps(row->error), _mm256_loadu_ps(b->by_x_error + n),
				most)};
}

__attribute__((target("avx2,fma"))) static void estimate_avx2(const int32_t *sum,
							      const ps_screen_bounds *b,
							      const ps_screen_row *row,
							      float *lower, float *upper)
{
	for (int n = 0; n < AVX2_LATENTS; n += 8) {
		const struct ends_avx2 ends =
			ends_avx2(_mm256_loadu_si256((const __m256i *)(sum + n)), b, n, row);

		_mm256_storeu_ps(lower + n, _mm256_sub_ps(ends.value, ends.error));
		_mm256_storeu_ps(upper + n, _mm256_add_ps(ends.value, ends.error));
	}
}

__attribute__((target("avx2,fma"))) static void
reach_avx2(const int32_t *sum, const ps_screen_bounds *b, const ps_screen_row *row,
	   const float *bound, size_t count, uint32_t *reached)
{
	for (size_t r = 0; r < count; r++, sum += AVX2_LATENTS) {
		reached[r] = 0;
		for (int n = 0; n < AVX2_LATENTS; n += 8) {
			const struct ends_avx2 ends = ends_avx2(
				_mm256_loadu_si256((const __m256i *)(sum + n)), b, n, &row[r]);
			const __m256 upper = _mm256_add_ps(ends.value, ends.error);

			reached[r] |= (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(
					      upper, _mm256_set1_ps(bound[r]), _CMP_GE_OQ))
				      << n;
		}
	}
}

/* Value and error of sixteen latents on one row. */
struct ends_avx512 {
	__m512 value, error;
};

__attribute__((target("avx512f"), always_inline)) static inline struct ends_avx512
ends_avx512(__m512i sum, const ps_screen_bounds *b, int n, const ps_screen_row *row)
{
	const __m512 scale =
		_mm512_mul_ps(_mm512_loadu_ps(b->scale + n), _mm512_set1_ps(row->scale));
	const __m512 most =
		_mm512_fmadd_ps(_mm512_set1_ps(row->norm), _mm512_loadu_ps(b->by_x_norm + n),
				_mm512_loadu_ps(b->fixed + n));

	return (struct ends_avx512){
		_mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, _mm512_loadu_ps(b->bias + n)),
		_mm512_fmadd_ps(_mm512_set1_ps(row->error), _mm512_loadu_ps(b->by_x_error + n),
				most)};
}

__attribute__((target("avx512f"))) static void estimate_avx512(const int32_t *sum,
							       const ps_screen_bounds *b,
							       const ps_screen_row *row,
							       float *lower, float *upper)
{
	for (int n = 0; n < AVX512_LATENTS; n += 16) {
		const struct ends_avx512 ends = ends_avx512(_mm512_loadu_si512(sum + n), b, n, row);

		_mm512_storeu_ps(lower + n, _mm512_sub_ps(ends.value, ends.error));
		_mm512_storeu_ps(upper + n, _mm512_add_ps(ends.value, ends.error));
	}
}

__attribute__((target("avx512f"))) static void
reach_avx512(const int32_t *sum, const ps_screen_bounds *b, const ps_screen_row *row,
	     const float *bound, size_t count, uint32_t *reached)
{
	for (size_t r = 0; r < count; r++, sum += AVX512_LATENTS) {
		reached[r] = 0;
		for (int n = 0; n < AVX512_LATENTS; n += 16) {
			const struct ends_avx512 ends =
				ends_avx512(_mm512_loadu_si512(sum + n), b, n, &row[r]);
			const __m512 upper = _mm512_add_ps(ends.value, ends.error);

			reached[r] |= (uint32_t)_mm512_cmp_ps_mask(upper, _mm512_set1_ps(bound[r]),
								   _CMP_GE_OQ)
				      << n;
		}
	}
}
#endif

/* From the best to the one that every CPU supports. */
static const ps_screen_kernel rows[] = {
#if defined(__x86_64__)
	{{"vnni", ps_cpu_avx512_vnni},
	 AVX512_ROWS,
	 AVX512_LATENTS,
	 tile_avx512_vnni,
	 reach_avx512,
	 estimate_avx512},
	{{"avx512", ps_cpu_avx512bw},
	 AVX512_ROWS,
	 AVX512_LATENTS,
	 tile_avx512bw,
	 reach_avx512,
	 estimate_avx512},
	{{"avx_vnni", ps_cpu_avx_vnni},
	 AVX2_ROWS,
	 AVX2_LATENTS,
	 tile_avx_vnni,
	 reach_avx2,
	 estimate_avx2},
	{{"avx2", ps_cpu_avx2}, AVX2_ROWS, AVX2_LATENTS, tile_avx2, reach_avx2, estimate_avx2},
#endif
	{{"ref", ps_cpu_any}, REF_ROWS, REF_LATENTS, tile_ref, reach_ref, estimate_ref},
};

const ps_screen_kernel *ps_screen_kernel_choose(const char *wish)
{
	return ps_cpu_choose(rows, sizeof rows / sizeof *rows, sizeof *rows, wish);
}
