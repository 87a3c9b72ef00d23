/* core/base/rng.h: seeded random numbers whose value depends on (seed, stream, index) alone.
 *
 * Counter-based: the n-th number of a stream is a function of its position, so that work can be cut and
 * resumed anywhere. Mixing: SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) over seed, stream, index. */
#ifndef PS_CORE_BASE_RNG_H
#define PS_CORE_BASE_RNG_H

#include <stdint.h>

typedef struct ps_rng {
	uint64_t key, counter;
} ps_rng;

ps_rng ps_rng_make(uint64_t seed, uint64_t stream);
uint64_t ps_rng_u64(ps_rng *rng);
double ps_rng_uniform(ps_rng *rng); /* [0, 1), 53 bits */
float ps_rng_normal(ps_rng *rng);   /* mean 0, variance 1 (Box-Muller, two uniforms a number) */
uint64_t ps_rng_below(ps_rng *rng, uint64_t n); /* [0, n), without modulo bias */

/* The image of index under a seeded permutation of [0, n), n >= 1: a four-round Feistel network on the next
 * even number of bits, walked until it falls below n. No memory, any n up to 2^62. */
uint64_t ps_permute(uint64_t index, uint64_t n, uint64_t seed);

#endif
