#include "sae/screen_kernel.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/* 12 sums, two vectors of w, one pair of x and one product take all 16 registers. */
__attribute__((target("avx2,fma"))) static void tile_avx2(size_t pairs, const int16_t *x,
							  const int16_t *w, bool add, int32_t *sum)
{
	__m256i total[AVX2_ROWS][2];

#pragma GCC unroll 6
	for (int r = 0; r < AVX2_ROWS; r++)
		for (int v = 0; v < 2; v++)
			total[r][v] =
				add ? _mm256_loadu_si256(
					      (const __m256i *)(sum + r * AVX2_LATENTS + 8 * v))
				    : _mm256_setzero_si256();
	for (size_t p = 0; p < pairs; p++, x += 2 * AVX2_ROWS, w += 2 * AVX2_LATENTS) {
		const __m256i low = _mm256_loadu_si256((const __m256i *)w),
			      high = _mm256_loadu_si256((const __m256i *)(w + 16));

#pragma GCC unroll 6
		for (int r = 0; r < AVX2_ROWS; r++) {
			int32_t pair;

			memcpy(&pair, x + 2 * r, sizeof pair);
			total[r][0] = _mm256_add_epi32(
				total[r][0], _mm256_madd_epi16(_mm256_set1_epi32(pair), low));
			total[r][1] = _mm256_add_epi32(
				total[r][1], _mm256_madd_epi16(_mm256_set1_epi32(pair), high));
		}
	}
#pragma GCC unroll 6
	for (int r = 0; r < AVX2_ROWS; r++)
		for (int v = 0; v < 2; v++)
			_mm256_storeu_si256((__m256i *)(sum + r * AVX2_LATENTS + 8 * v),
					    total[r][v]);
}

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

/* The body of both kernels below. STEP(total, x, w) adds a vector of products of pairs. 24 sums,
 * two vectors of w, one pair of x and one product take 28 of 32 registers. */
#define TILE_512(STEP)                                                                             \
	__m512i total[AVX512_ROWS][2];                                                             \
	_Pragma("GCC unroll 12") for (int r = 0; r < AVX512_ROWS; r++) for (int v = 0; v < 2; v++) \
		total[r][v] = add ? _mm512_loadu_si512(sum + r * AVX512_LATENTS + 16 * v)          \
				  : _mm512_setzero_si512();                                        \
	for (size_t p = 0; p < pairs; p++, x += 2 * AVX512_ROWS, w += 2 * AVX512_LATENTS) {        \
		const __m512i low = _mm512_loadu_si512(w), high = _mm512_loadu_si512(w + 32);      \
		_Pragma("GCC unroll 12") for (int r = 0; r < AVX512_ROWS; r++)                     \
		{                                                                                  \
			int32_t pair;                                                              \
			memcpy(&pair, x + 2 * r, sizeof pair);                                     \
			total[r][0] = STEP(total[r][0], _mm512_set1_epi32(pair), low);             \
			total[r][1] = STEP(total[r][1], _mm512_set1_epi32(pair), high);            \
		}                                                                                  \
	}                                                                                          \
	_Pragma("GCC unroll 12") for (int r = 0; r < AVX512_ROWS; r++) for (int v = 0; v < 2; v++) \
		_mm512_storeu_si512(sum + r * AVX512_LATENTS + 16 * v, total[r][v]);

#define STEP_MADD(total, a, b) _mm512_add_epi32(total, _mm512_madd_epi16(a, b))

__attribute__((target("avx512f,avx512bw"))) static void
tile_avx512(size_t pairs, const int16_t *x, const int16_t *w, bool add, int32_t *sum)
{
	TILE_512(STEP_MADD)
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static void
tile_vnni(size_t pairs, const int16_t *x, const int16_t *w, bool add, int32_t *sum)
{
	TILE_512(_mm512_dpwssd_epi32)
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

static bool cpu_has(int kernel)
{
#if defined(__x86_64__)
	const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");

	if (kernel == 0)
		return avx512 && __builtin_cpu_supports("avx512vnni");
	if (kernel == 1)
		return avx512;
	if (kernel == 2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	(void)kernel;
	return true;
}

const ps_screen_kernel *ps_screen_kernel_choose(const char *wish)
{
	static const ps_screen_kernel kernels[] = {
#if defined(__x86_64__)
		{"vnni", AVX512_ROWS, AVX512_LATENTS, tile_vnni, reach_avx512, estimate_avx512},
		{"avx512", AVX512_ROWS, AVX512_LATENTS, tile_avx512, reach_avx512, estimate_avx512},
		{"avx2", AVX2_ROWS, AVX2_LATENTS, tile_avx2, reach_avx2, estimate_avx2},
#endif
		{"ref", REF_ROWS, REF_LATENTS, tile_ref, reach_ref, estimate_ref},
	};
	const int count = sizeof kernels / sizeof *kernels;

	for (int i = 0; wish && i < count; i++)
		if (!strcmp(kernels[i].name, wish) && cpu_has(i))
			return &kernels[i];
	for (int i = 0; i < count - 1; i++)
		if (cpu_has(i))
			return &kernels[i];
	return &kernels[count - 1];
}
