/* A kernel is a step that compares STEP columns with a threshold. The loops around it are the same
 * for all. A row that was just scored is in the first-level cache, so it is read again for each
 * threshold. What is left behind the last whole step goes through a copy that is filled up with
 * scores that no threshold keeps. */
#include "prune/select_kernel.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "core/base/bitmap.h"

#define STEP 64 /* columns, a word of bits */
#define NO_SCORE (-3e38f)

/* The bits of STEP columns. */
typedef uint64_t (*step_fn)(const float *scores, float threshold);

/* The bits of the columns behind the last whole step, fewer than STEP. */
__attribute__((always_inline)) static inline uint64_t last_bits(step_fn step, const float *scores,
								size_t cols, float threshold)
{
	float copy[STEP];

	for (size_t c = 0; c < STEP; c++)
		copy[c] = c < cols ? scores[c] : NO_SCORE;
	return step(copy, threshold);
}

/* One threshold. Both functions are inlined into each kernel, so that `step` is too. */
__attribute__((always_inline)) static inline size_t
compare_one(step_fn step, const float *scores, size_t cols, float threshold, uint8_t *keep)
{
	size_t c = 0, kept = 0;
	uint64_t bits;

	for (; c + STEP <= cols; c += STEP) {
		bits = step(scores + c, threshold);
		memcpy(keep + c / 8, &bits, sizeof bits);
		kept += (size_t)__builtin_popcountll(bits);
	}
	if (c == cols)
		return kept;
	bits = last_bits(step, scores + c, cols - c, threshold);
	memcpy(keep + c / 8, &bits, ps_bitmap_row_bytes(cols - c));
	return kept + (size_t)__builtin_popcountll(bits);
}

static uint64_t step_ref(const float *scores, float threshold)
{
	uint64_t bits = 0;

	for (unsigned c = 0; c < STEP; c++)
		bits |= (uint64_t)(scores[c] > threshold) << c;
	return bits;
}

/* The kernel around a step. */
#define DEFINE_KERNEL(ISA, TARGET)                                                                 \
	TARGET static void compare_##ISA(const float *scores, size_t cols, const float *threshold, \
					 size_t count, uint8_t *const *keep, size_t *kept)         \
	{                                                                                          \
		for (size_t t = 0; t < count; t++)                                                 \
			kept[t] = compare_one(step_##ISA, scores, cols, threshold[t], keep[t]);    \
	}

#define NO_TARGET
DEFINE_KERNEL(ref, NO_TARGET)

#if defined(__x86_64__)
#define TARGET_AVX2 __attribute__((target("avx2,popcnt")))
#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,popcnt")))

/* -1 in each of 8 columns that is above. */
TARGET_AVX2 static inline __m256i above_avx2(const float *scores, __m256 threshold)
{
	return _mm256_castps_si256(_mm256_cmp_ps(_mm256_loadu_ps(scores), threshold, _CMP_GT_OQ));
}

/* The bits of 32 columns. Packing interleaves the halves of the vectors, hence the permutation. */
TARGET_AVX2 static inline uint32_t half_avx2(const float *scores, __m256 threshold)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	const __m256i low = _mm256_packs_epi32(above_avx2(scores, threshold),
					       above_avx2(scores + 8, threshold)),
		      high = _mm256_packs_epi32(above_avx2(scores + 16, threshold),
						above_avx2(scores + 24, threshold));

	return (uint32_t)_mm256_movemask_epi8(
		_mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
}

TARGET_AVX2 static inline uint64_t step_avx2(const float *scores, float threshold)
{
	const __m256 limit = _mm256_set1_ps(threshold);

	return half_avx2(scores, limit) | (uint64_t)half_avx2(scores + 32, limit) << 32;
}

/* The bits of 16 columns. */
TARGET_AVX512 static inline uint64_t above_avx512(const float *scores, __m512 threshold)
{
	return _mm512_cmp_ps_mask(_mm512_loadu_ps(scores), threshold, _CMP_GT_OQ);
}

TARGET_AVX512 static inline uint64_t step_avx512(const float *scores, float threshold)
{
	const __m512 limit = _mm512_set1_ps(threshold);

	return above_avx512(scores, limit) | above_avx512(scores + 16, limit) << 16 |
	       above_avx512(scores + 32, limit) << 32 | above_avx512(scores + 48, limit) << 48;
}

DEFINE_KERNEL(avx2, TARGET_AVX2)
DEFINE_KERNEL(avx512, TARGET_AVX512)
#elif defined(__aarch64__)
static inline uint64_t step_neon(const float *scores, float threshold)
{
	const float32x4_t limit = vdupq_n_f32(threshold);
	const uint8x8_t bit = vcreate_u8(0x8040201008040201u);
	uint64_t bits = 0;

	for (int i = 0; i < STEP; i += 8) {
		const uint16x4_t low = vmovn_u32(vcgtq_f32(vld1q_f32(scores + i), limit)),
				 high = vmovn_u32(vcgtq_f32(vld1q_f32(scores + i + 4), limit));
		const uint8x8_t above = vmovn_u16(vcombine_u16(low, high));

		bits |= (uint64_t)vaddv_u8(vand_u8(above, bit)) << i;
	}
	return bits;
}

DEFINE_KERNEL(neon, NO_TARGET)
#endif

/* From the best to the one that every CPU supports. */
static const ps_select_kernel rows[] = {
#if defined(__x86_64__)
	{{"avx512", ps_cpu_avx512bw}, compare_avx512},
	{{"avx2", ps_cpu_avx2}, compare_avx2},
#elif defined(__aarch64__)
	{{"neon", ps_cpu_any}, compare_neon},
#endif
	{{"ref", ps_cpu_any}, compare_ref},
};

const ps_select_kernel *ps_select_kernel_choose(const char *wish)
{
	return ps_cpu_choose(rows, sizeof rows / sizeof *rows, sizeof *rows, wish);
}
