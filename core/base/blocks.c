#include "core/base/blocks.h"

#include <stdint.h>

#include "core/base/clones.h"
#include "core/base/half.h"

enum { SMALL = 32, LARGE = 256 }; /* weights of a block */

static float half_at(const uint8_t *at)
{
	return ps_f16_to_f32((uint16_t)(at[0] | at[1] << 8));
}

static uint32_t word_at(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

/* --- blocks of 32 --- */

/* The low halves of 16 bytes are the first 16 weights, the high halves the others. */
static inline void split_nibbles(const uint8_t *restrict bytes, int *restrict q)
{
	for (int i = 0; i < SMALL / 2; i++) {
		q[i] = bytes[i] & 15;
		q[SMALL / 2 + i] = bytes[i] >> 4;
	}
}

static inline void add_fifth_bits(uint32_t bits, int *restrict q)
{
	for (int i = 0; i < SMALL; i++)
		q[i] |= (int)(bits >> i & 1) << 4;
}

static inline void scale_32(float d, int zero, const int *restrict q, float *restrict dst)
{
	for (int i = 0; i < SMALL; i++)
		dst[i] = d * (float)(q[i] - zero);
}

static inline void scale_and_shift_32(float d, float m, const int *restrict q, float *restrict dst)
{
	for (int i = 0; i < SMALL; i++)
		dst[i] = d * (float)q[i] + m;
}

PS_CLONES
void ps_widen_q4_0(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;
	int q[SMALL];

	for (size_t at = 0; at < count; at += SMALL, block += 18) {
		split_nibbles(block + 2, q);
		scale_32(half_at(block), 8, q, dst + at);
	}
}

PS_CLONES
void ps_widen_q4_1(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;
	int q[SMALL];

	for (size_t at = 0; at < count; at += SMALL, block += 20) {
		split_nibbles(block + 4, q);
		scale_and_shift_32(half_at(block), half_at(block + 2), q, dst + at);
	}
}

PS_CLONES
void ps_widen_q5_0(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;
	int q[SMALL];

	for (size_t at = 0; at < count; at += SMALL, block += 22) {
		split_nibbles(block + 6, q);
		add_fifth_bits(word_at(block + 2), q);
		scale_32(half_at(block), 16, q, dst + at);
	}
}

PS_CLONES
void ps_widen_q5_1(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;
	int q[SMALL];

	for (size_t at = 0; at < count; at += SMALL, block += 24) {
		split_nibbles(block + 8, q);
		add_fifth_bits(word_at(block + 4), q);
		scale_and_shift_32(half_at(block), half_at(block + 2), q, dst + at);
	}
}

PS_CLONES
void ps_widen_q8_0(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;

	for (size_t at = 0; at < count; at += SMALL, block += 34) {
		const int8_t *q = (const int8_t *)block + 2;
		const float d = half_at(block);

		for (int i = 0; i < SMALL; i++)
			dst[at + (size_t)i] = d * (float)q[i];
	}
}

/* --- blocks of 256 --- */

/* 16 scales and 16 offsets of 4 bits, 64 bytes of four weights each, d, dmin. A group of 32 bytes
 * holds 128 weights: the lowest two bits of each byte are the first 32. */
PS_CLONES
void ps_widen_q2_k(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;

	for (size_t at = 0; at < count; at += LARGE, block += 84) {
		const float d = half_at(block + 80), dmin = half_at(block + 82);

		for (int part = 0; part < 16; part++) {
			const uint8_t *bytes = block + 16 + part / 8 * 32 + part % 2 * 16;
			const float scale = d * (float)(block[part] & 15),
				    offset = dmin * (float)(block[part] >> 4);
			const int shift = part / 2 % 4 * 2;
			float *out = dst + at + part * 16;

			for (int i = 0; i < 16; i++)
				out[i] = scale * (float)(bytes[i] >> shift & 3) - offset;
		}
	}
}

/* The scale of 16 weights: four bits of it stand in the first 8 bytes, two in the last 4. */
static int scale_of_q3(const uint8_t *scales, int part)
{
	const int low = scales[part % 8] >> part / 8 * 4 & 15,
		  high = scales[8 + part % 4] >> part / 4 * 2 & 3;

	return (low | high << 4) - 32;
}

/* 32 bytes of third bits, 64 bytes of four weights each, 12 bytes of scales, d. A third bit that is
 * not set stands for -4. */
PS_CLONES
void ps_widen_q3_k(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;

	for (size_t at = 0; at < count; at += LARGE, block += 110) {
		const float d = half_at(block + 108);

		for (int part = 0; part < 16; part++) {
			const uint8_t *bytes = block + 32 + part / 8 * 32 + part % 2 * 16,
				      *high = block + part % 2 * 16;
			const float scale = d * (float)scale_of_q3(block + 96, part);
			const int shift = part / 2 % 4 * 2, bit = part / 2;
			float *out = dst + at + part * 16;

			for (int i = 0; i < 16; i++) {
				const int q =
					(bytes[i] >> shift & 3) - ((~high[i] >> bit & 1) << 2);

				out[i] = scale * (float)q;
			}
		}
	}
}

/* Scale and offset of 32 weights, six bits each, in 12 bytes: the first four pairs have theirs in
 * bytes 0 to 7; the others have four bits in bytes 8 to 11, and two above those of the first. */
static void scale_of_q4(const uint8_t *scales, int part, int *scale, int *offset)
{
	if (part < 4) {
		*scale = scales[part] & 63;
		*offset = scales[part + 4] & 63;
		return;
	}
	*scale = (scales[part + 4] & 15) | (scales[part - 4] >> 2 & 48);
	*offset = scales[part + 4] >> 4 | (scales[part] >> 2 & 48);
}

/* d, dmin, 12 bytes of scales, 128 bytes of two weights each: the low halves of 32 bytes are 32
 * weights, the high halves the next 32. high: 32 bytes of fifth bits, or NULL. */
static inline void widen_q45(const uint8_t *block, const uint8_t *high, const uint8_t *bytes,
			     float *dst)
{
	const float d = half_at(block), dmin = half_at(block + 2);

	for (int part = 0; part < 8; part++) {
		const uint8_t *from = bytes + part / 2 * 32;
		float *out = dst + part * 32;
		int s, n;

		scale_of_q4(block + 4, part, &s, &n);
		const float scale = d * (float)s, offset = dmin * (float)n;

		for (int i = 0; i < 32; i++) {
			int q = from[i] >> part % 2 * 4 & 15;

			if (high)
				q |= (high[i] >> part & 1) << 4;
			out[i] = scale * (float)q - offset;
		}
	}
}

PS_CLONES
void ps_widen_q4_k(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;

	for (size_t at = 0; at < count; at += LARGE, block += 144)
		widen_q45(block, NULL, block + 16, dst + at);
}

PS_CLONES
void ps_widen_q5_k(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;

	for (size_t at = 0; at < count; at += LARGE, block += 176)
		widen_q45(block, block + 16, block + 48, dst + at);
}

/* 128 bytes of two weights' low halves, 64 bytes of four weights' upper bits, 16 scales, d. */
PS_CLONES
void ps_widen_q6_k(const void *src, size_t count, float *dst)
{
	const uint8_t *block = src;

	for (size_t at = 0; at < count; at += LARGE, block += 210) {
		const int8_t *scales = (const int8_t *)block + 192;
		const float d = half_at(block + 208);

		for (int part = 0; part < 16; part++) {
			/* 128 weights take 64 bytes of low halves and 32 of upper bits. */
			const int row = part / 2 % 4, side = part % 2 * 16;
			const uint8_t *low = block + part / 8 * 64 + row % 2 * 32 + side,
				      *high = block + 128 + part / 8 * 32 + side;
			const float scale = d * (float)scales[part];
			float *out = dst + at + part * 16;

			for (int i = 0; i < 16; i++) {
				const int q = (low[i] >> row / 2 * 4 & 15) |
					      (high[i] >> row * 2 & 3) << 4;

				out[i] = scale * (float)(q - 32);
			}
		}
	}
}
