/* A block has 16 stripes of 64 bytes. Stripe s of a block is combined with the secret from byte
 * 8 * s on. */
#include "core/base/digest_chain.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define STRIPES (PS_DIGEST_BLOCK / PS_DIGEST_STRIPE)
#define SECRET_BYTES 192
#define SCRAMBLE_AT (SECRET_BYTES - 64)        /* where in the secret the scramble's words begin */
#define LAST_STRIPE_AT (SECRET_BYTES - 64 - 7) /* ... those of the input's last stripe */
#define MERGE_AT 11                            /* ... those of the final merge */

#define PRIME32_1 0x9e3779b1u
#define PRIME32_2 0x85ebca77u
#define PRIME32_3 0xc2b2ae3du
#define PRIME64_1 0x9e3779b185ebca87u
#define PRIME64_2 0xc2b2ae3d27d4eb4fu
#define PRIME64_3 0x165667b19e3779f9u
#define PRIME64_4 0x85ebca77c2b2ae63u
#define PRIME64_5 0x27d4eb2f165667c5u
#define PRIME_AVALANCHE 0x165667919e3779f9u

static const unsigned char secret[SECRET_BYTES] = {
	0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad,
	0x1c, 0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3,
	0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc,
	0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6,
	0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65,
	0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
	0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9,
	0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31,
	0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb,
	0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb, 0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0,
	0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16, 0xbe, 0x58, 0x7d,
	0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
	0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static uint64_t word_at(const void *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof word);
	return word;
}

void ps_digest_chain_start(ps_digest_chain *chain)
{
	*chain = (ps_digest_chain){{PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4,
				    PRIME32_2, PRIME64_5, PRIME32_1}};
}

#ifdef __SSE2__
/* Adds the sums of stripes, two accumulators to a vector. The secret moves on by 8 bytes a
 * stripe. */
static void add_stripes(uint64_t sums[PS_DIGEST_SUMS], const char *data, const unsigned char *key,
			size_t stripes)
{
	__m128i sum[PS_DIGEST_SUMS / 2];

	memcpy(sum, sums, sizeof sum);
	for (size_t s = 0; s < stripes; s++, data += PS_DIGEST_STRIPE, key += 8)
		for (size_t i = 0; i < PS_DIGEST_SUMS / 2; i++) {
			const __m128i words = _mm_loadu_si128((const __m128i *)data + i);
			const __m128i keyed =
				_mm_xor_si128(words, _mm_loadu_si128((const __m128i *)key + i));
			const __m128i product = _mm_mul_epu32(keyed, _mm_srli_epi64(keyed, 32));
			const __m128i swapped = _mm_shuffle_epi32(words, _MM_SHUFFLE(1, 0, 3, 2));

			sum[i] = _mm_add_epi64(sum[i], _mm_add_epi64(product, swapped));
		}
	memcpy(sums, sum, sizeof sum);
}
#else
static void add_stripes(uint64_t sums[PS_DIGEST_SUMS], const char *data, const unsigned char *key,
			size_t stripes)
{
	for (size_t s = 0; s < stripes; s++, data += PS_DIGEST_STRIPE, key += 8)
		for (size_t i = 0; i < PS_DIGEST_SUMS; i++) {
			const uint64_t word = word_at(data + 8 * i),
				       keyed = word ^ word_at(key + 8 * i);

			sums[i ^ 1] += word;
			sums[i] += (keyed & 0xffffffffu) * (keyed >> 32);
		}
}
#endif

void ps_digest_sums(const void *data, size_t blocks, uint64_t *sums)
{
	const char *at = data;

	memset(sums, 0, blocks * PS_DIGEST_SUMS * sizeof *sums);
	for (size_t b = 0; b < blocks; b++, at += PS_DIGEST_BLOCK, sums += PS_DIGEST_SUMS)
		add_stripes(sums, at, secret, STRIPES);
}

void ps_digest_chain_add(ps_digest_chain *chain, const uint64_t *sums, size_t blocks)
{
	uint64_t *all = chain->sums;

	for (size_t b = 0; b < blocks; b++, sums += PS_DIGEST_SUMS)
		for (size_t i = 0; i < PS_DIGEST_SUMS; i++) {
			all[i] += sums[i];
			all[i] = (all[i] ^ all[i] >> 47 ^ word_at(secret + SCRAMBLE_AT + 8 * i)) *
				 PRIME32_1;
		}
}

/* The upper and the lower half of the product, combined. */
static uint64_t fold(uint64_t a, uint64_t b)
{
	const unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t ps_digest_chain_end(const ps_digest_chain *chain, const void *tail, size_t tail_bytes,
			     uint64_t bytes)
{
	const char *from = (const char *)tail + PS_DIGEST_STRIPE;
	uint64_t sums[PS_DIGEST_SUMS], value = bytes * PRIME64_1;

	memcpy(sums, chain->sums, sizeof sums);
	add_stripes(sums, from, secret, (tail_bytes - 1) / PS_DIGEST_STRIPE);
	add_stripes(sums, from + tail_bytes - PS_DIGEST_STRIPE, secret + LAST_STRIPE_AT, 1);
	for (size_t i = 0; i < PS_DIGEST_SUMS; i += 2)
		value += fold(sums[i] ^ word_at(secret + MERGE_AT + 8 * i),
			      sums[i + 1] ^ word_at(secret + MERGE_AT + 8 * i + 8));
	value = (value ^ value >> 37) * PRIME_AVALANCHE;
	return value ^ value >> 32;
}
