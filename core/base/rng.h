/* core/base/rng.h: random numbers that depend on (seed, stream, index) alone.
 *
 * The generator is counter-based: the n-th number of a stream is a function of n. So work can be
 * cut and resumed anywhere. The mixing function is SplitMix64's finaliser (Steele, Lea, Flood,
 * OOPSLA 2014). */
#ifndef PS_CORE_BASE_RNG_H
#define PS_CORE_BASE_RNG_H

#include <stdint.h>

typedef struct ps_rng {
	uint64_t key, counter;
} ps_rng;

/* The beginning of a stream. */
ps_rng ps_rng_make(uint64_t seed, uint64_t stream);

/* The next 64 random bits. */
uint64_t ps_rng_u64(ps_rng *rng);

/* The next number of [0, 1), with 53 random bits. */
double ps_rng_uniform(ps_rng *rng);

/* The next normal number of mean 0 and variance 1: Box-Muller, two uniform numbers for each. */
float ps_rng_normal(ps_rng *rng);

/* The next integer of [0, n), without modulo bias; n > 0. */
uint64_t ps_rng_below(ps_rng *rng, uint64_t n);

/* The image of index under a seeded permutation of [0, n), 1 <= n <= 2^62. It takes no memory: a
 * Feistel network of four rounds permutes the next power of 4, and is applied until the image is
 * below n. */
uint64_t ps_permute(uint64_t index, uint64_t n, uint64_t seed);
/* The index whose image is `image`: ps_permute(ps_permute_back(x, n, seed), n, seed) is x. */
uint64_t ps_permute_back(uint64_t image, uint64_t n, uint64_t seed);

#endif
