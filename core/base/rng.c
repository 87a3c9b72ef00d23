#include "core/base/rng.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

ps_rng ps_rng_make(uint64_t seed, uint64_t stream)
{
	return (ps_rng){.key = mix(mix(seed) ^ mix(~stream)), .counter = 0};
}

uint64_t ps_rng_u64(ps_rng *rng)
{
	return mix(rng->key ^ mix(rng->counter++));
}

double ps_rng_uniform(ps_rng *rng)
{
	return (double)(ps_rng_u64(rng) >> 11) * 0x1p-53;
}

float ps_rng_normal(ps_rng *rng)
{
	double u = 1 - ps_rng_uniform(rng), v = ps_rng_uniform(rng);

	return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
}

uint64_t ps_rng_below(ps_rng *rng, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n, x;

	do
		x = ps_rng_u64(rng);
	while (x >= limit);
	return x % n;
}

/* Half the bits of the network that permutes [0, n). */
static unsigned half_bits(uint64_t n)
{
	unsigned half = 1;

	while (half < 31 && (uint64_t)1 << 2 * half < n)
		half++;
	return half;
}

uint64_t ps_permute(uint64_t index, uint64_t n, uint64_t seed)
{
	const unsigned half = half_bits(n);
	const uint64_t mask = ((uint64_t)1 << half) - 1;

	do {
		uint64_t left = index >> half, right = index & mask;

		for (uint64_t round = 0; round < 4; round++) {
			uint64_t next = left ^ (mix(right ^ mix(seed + round)) & mask);
			left = right;
			right = next;
		}
		index = left << half | right;
	} while (index >= n);
	return index;
}

uint64_t ps_permute_back(uint64_t image, uint64_t n, uint64_t seed)
{
	const unsigned half = half_bits(n);
	const uint64_t mask = ((uint64_t)1 << half) - 1;

	do {
		uint64_t left = image >> half, right = image & mask;

		for (uint64_t round = 4; round-- > 0;) {
			uint64_t before = right ^ (mix(left ^ mix(seed + round)) & mask);
			right = left;
			left = before;
		}
		image = left << half | right;
	} while (image >= n);
	return image;
}
