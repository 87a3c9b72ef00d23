/* One macro makes the tiles of x86: their loops are the same, only the width of the vectors and the
 * instructions of a step differ. A tile is 12 x 2 vectors with 32 registers and 6 x 2 with 16. Its
 * sums, two vectors of W, a pair of X and a product fill the registers. */
#include "core/model/int16_kernel.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define REF_TOKENS ((size_t)6)
#define REF_ROWS ((size_t)8)

/* Adds the products of one pair of columns. */
static void add_slice_ref(const int16_t *x, const int16_t *w, int32_t sum[REF_TOKENS][REF_ROWS])
{
	for (size_t t = 0; t < REF_TOKENS; t++)
		for (size_t n = 0; n < REF_ROWS; n++)
			sum[t][n] += x[2 * t] * w[2 * n] + x[2 * t + 1] * w[2 * n + 1];
}

static void tile_ref(const ps_kernel *kernel, size_t slices, const void *x, const void *w,
		     float *tile, bool add)
{
	const float *scale_x = x, *scale_w = w;
	int32_t sum[REF_TOKENS][REF_ROWS] = {{0}};

	(void)kernel;
	for (size_t s = 1; s < slices; s++)
		add_slice_ref((const int16_t *)x + s * 2 * REF_TOKENS,
			      (const int16_t *)w + s * 2 * REF_ROWS, sum);
	for (size_t t = 0; t < REF_TOKENS; t++)
		for (size_t n = 0; n < REF_ROWS; n++, tile++) {
			const float scale = scale_x[t] * scale_w[n];

			*tile = add ? fmaf((float)sum[t][n], scale, *tile)
				    : (float)sum[t][n] * scale;
		}
}

static bool always(void)
{
	return true;
}

#if defined(__x86_64__)
/* gcc 12 moves the intrinsics of a step apart, and then has too few registers for the sums.
 * Statements of their own keep each sum in its register: with AVX2 78 instead of 48 x 10^9
 * multiply-adds a second (AMD Zen 3). */
#define MULTIPLY_ADD(sum, product, pair, w, REGISTER)                                              \
	__asm__("vpmaddwd %2, %1, %0" : "=" REGISTER(product) : REGISTER(pair), REGISTER(w));      \
	__asm__("vpaddd %1, %0, %0" : "+" REGISTER(sum) : REGISTER(product))

__attribute__((target("avx2"), always_inline)) static inline __m256i
step_avx2(__m256i sum, __m256i pair, __m256i w)
{
	__m256i product;

	MULTIPLY_ADD(sum, product, pair, w, "x");
	return sum;
}

__attribute__((target("avxvnni"), always_inline)) static inline __m256i
step_avx_vnni(__m256i sum, __m256i pair, __m256i w)
{
	__asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(pair), "x"(w));
	return sum;
}

__attribute__((target("avx512bw"), always_inline)) static inline __m512i
step_avx512bw(__m512i sum, __m512i pair, __m512i w)
{
	__m512i product;

	MULTIPLY_ADD(sum, product, pair, w, "v");
	return sum;
}

__attribute__((target("avx512vnni"), always_inline)) static inline __m512i
step_avx512_vnni(__m512i sum, __m512i pair, __m512i w)
{
	__asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(pair), "v"(w));
	return sum;
}

/* The tile for vectors of BITS bits, LANES rows of W each. */
#define DEFINE_TILE(ISA, TARGET, BITS, LANES, TOKENS)                                              \
	__attribute__((target(TARGET))) static void tile_##ISA(                                    \
		const ps_kernel *kernel, size_t slices, const void *x_panel, const void *w_panel,  \
		float *tile, bool add)                                                             \
	{                                                                                          \
		const int32_t *x = x_panel, *w = w_panel;                                          \
		const float *scale_x = x_panel, *scale_w = w_panel;                                \
		__m##BITS##i sum[TOKENS][2];                                                       \
                                                                                                   \
		(void)kernel;                                                                      \
		_Pragma("GCC unroll 12") for (size_t t = 0; t < TOKENS; t++) sum[t][0] =           \
			sum[t][1] = _mm##BITS##_setzero_si##BITS();                                \
		for (size_t s = 1; s < slices; s++) {                                              \
			__m##BITS##i low, high, pair;                                              \
                                                                                                   \
			x += TOKENS;                                                               \
			w += 2 * LANES;                                                            \
			low = _mm##BITS##_loadu_si##BITS((const void *)w);                         \
			high = _mm##BITS##_loadu_si##BITS((const void *)(w + LANES));              \
			_Pragma("GCC unroll 12") for (size_t t = 0; t < TOKENS; t++)               \
			{                                                                          \
				pair = _mm##BITS##_set1_epi32(x[t]);                               \
				sum[t][0] = step_##ISA(sum[t][0], pair, low);                      \
				sum[t][1] = step_##ISA(sum[t][1], pair, high);                     \
			}                                                                          \
		}                                                                                  \
		_Pragma("GCC unroll 24") for (size_t i = 0; i < 2 * TOKENS; i++)                   \
		{                                                                                  \
			float *place = tile + i * LANES;                                           \
			const __m##BITS total = _mm##BITS##_cvtepi32_ps(sum[i / 2][i % 2]);        \
			const __m##BITS scale =                                                    \
				_mm##BITS##_mul_ps(_mm##BITS##_set1_ps(scale_x[i / 2]),            \
						   _mm##BITS##_loadu_ps(scale_w + i % 2 * LANES)); \
                                                                                                   \
			_mm##BITS##_storeu_ps(                                                     \
				place, add ? _mm##BITS##_fmadd_ps(total, scale,                    \
								  _mm##BITS##_loadu_ps(place))     \
					   : _mm##BITS##_mul_ps(total, scale));                    \
		}                                                                                  \
	}

DEFINE_TILE(avx2, "avx2,fma", 256, 8, 6)
DEFINE_TILE(avx_vnni, "avx2,fma,avxvnni", 256, 8, 6)
DEFINE_TILE(avx512bw, "avx512f,avx512bw", 512, 16, 12)
DEFINE_TILE(avx512_vnni, "avx512f,avx512bw,avx512vnni", 512, 16, 12)

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* clang 14's __builtin_cpu_supports does not know this one. */
static bool has_avx_vnni(void)
{
	const unsigned avx_vnni = 1u << 4; /* of eax, leaf 7, subleaf 1 */
	unsigned a = 0, b, c, d;

	return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & avx_vnni);
}

static bool has_avx512bw(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

static bool has_avx512_vnni(void)
{
	return has_avx512bw() && __builtin_cpu_supports("avx512vnni");
}
#elif defined(__aarch64__)
enum { NEON_TOKENS = 6, NEON_ROWS = 8 };

/* smlal multiplies lane by lane: a sum of four lanes holds two rows of W, each with its even and
 * its odd columns apart. */
static void tile_neon(const ps_kernel *kernel, size_t slices, const void *x_panel,
		      const void *w_panel, float *tile, bool add)
{
	const int32_t *x = x_panel;
	const int16_t *w = w_panel;
	const float *scale_x = x_panel;
	const float32x4_t scale_w[2] = {vld1q_f32(w_panel), vld1q_f32((const float *)w_panel + 4)};
	int32x4_t sum[NEON_TOKENS][4];

	(void)kernel;
#pragma GCC unroll 6
	for (size_t t = 0; t < NEON_TOKENS; t++)
		sum[t][0] = sum[t][1] = sum[t][2] = sum[t][3] = vdupq_n_s32(0);
	for (size_t s = 1; s < slices; s++) {
		x += NEON_TOKENS;
		w += 2 * NEON_ROWS;
		const int16x8_t low = vld1q_s16(w), high = vld1q_s16(w + 8);

#pragma GCC unroll 6
		for (size_t t = 0; t < NEON_TOKENS; t++) {
			const int16x8_t pair = vreinterpretq_s16_s32(vdupq_n_s32(x[t]));

			sum[t][0] = vmlal_s16(sum[t][0], vget_low_s16(pair), vget_low_s16(low));
			sum[t][1] = vmlal_high_s16(sum[t][1], pair, low);
			sum[t][2] = vmlal_s16(sum[t][2], vget_low_s16(pair), vget_low_s16(high));
			sum[t][3] = vmlal_high_s16(sum[t][3], pair, high);
		}
	}
#pragma GCC unroll 6
	for (size_t t = 0; t < NEON_TOKENS; t++)
#pragma GCC unroll 2
		for (size_t v = 0; v < 2; v++) {
			float *place = tile + (t * 2 + v) * 4;
			const float32x4_t total = vcvtq_f32_s32(
						  vpaddq_s32(sum[t][2 * v], sum[t][2 * v + 1])),
					  scale = vmulq_n_f32(scale_w[v], scale_x[t]);

			vst1q_f32(place, add ? vfmaq_f32(vld1q_f32(place), total, scale)
					     : vmulq_f32(total, scale));
		}
}
#endif

const ps_kernel_row ps_int16_rows[] = {
	{"ref", always, PS_PACK_INT16, REF_TOKENS, REF_ROWS, tile_ref},
#if defined(__x86_64__)
	{"avx2", has_avx2, PS_PACK_INT16, 6, 16, tile_avx2},
	{"avx_vnni", has_avx_vnni, PS_PACK_INT16, 6, 16, tile_avx_vnni},
	{"avx512bw", has_avx512bw, PS_PACK_INT16, 12, 32, tile_avx512bw},
	{"avx512_vnni", has_avx512_vnni, PS_PACK_INT16, 12, 32, tile_avx512_vnni},
#elif defined(__aarch64__)
	{"neon", always, PS_PACK_INT16, NEON_TOKENS, NEON_ROWS, tile_neon},
#endif
};

const size_t ps_int16_row_count = sizeof ps_int16_rows / sizeof *ps_int16_rows;
