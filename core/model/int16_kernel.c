/* One macro makes the tiles of x86: their loops are the same, only the width of the vectors and the
 * instructions of a step (core/model/int16_step.h) differ. */
#include "core/model/int16_kernel.h"

#include <math.h>
#include <string.h>

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "core/base/cpu.h"
#include "core/model/int16_step.h"

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

#if defined(__x86_64__)
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
		x += TOKENS;                                                                       \
		w += 2 * LANES;                                                                    \
		PS_INT16_SUMS(ISA, BITS, LANES, TOKENS, slices - 1, x, w, sum)                     \
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
	{"ref", ps_cpu_any, PS_PACK_INT16, REF_TOKENS, REF_ROWS, tile_ref},
#if defined(__x86_64__)
	{"avx2", ps_cpu_avx2, PS_PACK_INT16, 6, 16, tile_avx2},
	{"avx_vnni", ps_cpu_avx_vnni, PS_PACK_INT16, 6, 16, tile_avx_vnni},
	{"avx512bw", ps_cpu_avx512bw, PS_PACK_INT16, 12, 32, tile_avx512bw},
	{"avx512_vnni", ps_cpu_avx512_vnni, PS_PACK_INT16, 12, 32, tile_avx512_vnni},
#elif defined(__aarch64__)
	{"neon", ps_cpu_any, PS_PACK_INT16, NEON_TOKENS, NEON_ROWS, tile_neon},
#endif
};

const size_t ps_int16_row_count = sizeof ps_int16_rows / sizeof *ps_int16_rows;
