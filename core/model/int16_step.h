/* core/model/int16_step.h: the innermost loop of int16 products on x86, one per instruction set.
 *
 *   sum[r][v][n] += sum_{p < pairs, i < 2} x[p, r, i] * w[p, v, n, i]    r < ROWS, v < 2, n < LANES
 *
 * x is int16 (pairs, ROWS, 2), w int16 (pairs, 2, LANES, 2), sum int32. The sums are exact if every
 * partial sum lies within int32, and then all instruction sets give the same integers. A tile is
 * 12 x 2 vectors with 32 registers and 6 x 2 with 16: its sums, two vectors of w, a pair of x and
 * a product fill the registers. core/model/int16_kernel.c and sae/screen_kernel.c make tiles of
 * it. */
#ifndef PS_CORE_MODEL_INT16_STEP_H
#define PS_CORE_MODEL_INT16_STEP_H

#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* gcc 12 moves the intrinsics of a step apart, and then has too few registers for the sums.
 * Statements of their own keep each sum in its register: with AVX2 78 instead of 48 x 10^9
 * multiply-adds a second (AMD Zen 3). */
#define PS_INT16_MULTIPLY_ADD(sum, product, pair, w, REGISTER)                                     \
	__asm__("vpmaddwd %2, %1, %0" : "=" REGISTER(product) : REGISTER(pair), REGISTER(w));      \
	__asm__("vpaddd %1, %0, %0" : "+" REGISTER(sum) : REGISTER(product))

/* Each returns sum + the products of a pair of x with a vector of w. */
__attribute__((target("avx2"), always_inline)) static inline __m256i
ps_int16_step_avx2(__m256i sum, __m256i pair, __m256i w)
{
	__m256i product;

	PS_INT16_MULTIPLY_ADD(sum, product, pair, w, "x");
	return sum;
}

__attribute__((target("avxvnni"), always_inline)) static inline __m256i
ps_int16_step_avx_vnni(__m256i sum, __m256i pair, __m256i w)
{
	__asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(pair), "x"(w));
	return sum;
}

__attribute__((target("avx512bw"), always_inline)) static inline __m512i
ps_int16_step_avx512bw(__m512i sum, __m512i pair, __m512i w)
{
	__m512i product;

	PS_INT16_MULTIPLY_ADD(sum, product, pair, w, "v");
	return sum;
}

__attribute__((target("avx512vnni"), always_inline)) static inline __m512i
ps_int16_step_avx512_vnni(__m512i sum, __m512i pair, __m512i w)
{
	__asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(pair), "v"(w));
	return sum;
}

/* Adds the products of all pairs to __mBITSi sum[ROWS][2]. x and w are const int32_t *, a pair in
 * each, and move on to their ends. */
#define PS_INT16_SUMS(ISA, BITS, LANES, ROWS, pairs, x, w, sum)                                    \
	for (size_t p = 0; p < (pairs); p++, x += (ROWS), w += 2 * (LANES)) {                      \
		const __m##BITS##i low = _mm##BITS##_loadu_si##BITS((const void *)w),              \
				   high = _mm##BITS##_loadu_si##BITS((const void *)(w + (LANES))); \
                                                                                                   \
		_Pragma("GCC unroll 12") for (size_t r = 0; r < (ROWS); r++)                       \
		{                                                                                  \
			const __m##BITS##i pair = _mm##BITS##_set1_epi32(x[r]);                    \
                                                                                                   \
			sum[r][0] = ps_int16_step_##ISA(sum[r][0], pair, low);                     \
			sum[r][1] = ps_int16_step_##ISA(sum[r][1], pair, high);                    \
		}                                                                                  \
	}
#endif

#endif
