/* prune/random.h: masks drawn at random, the control of every method that chooses.
 *
 * A matrix falls into groups: the whole matrix (scope MATRIX), its rows (ROW), or M consecutive
 * inputs of a row (N:M). Of each group of n weights, d are dropped. All sets of d weights are
 * equally likely:
 *
 *   d = (size_t)(n * sparsity), or N, or the zeros of the same group in a reference mask
 *
 * A group is drawn by selection sampling (Knuth, The Art of Computer Programming 2, 3.4.2,
 * algorithm S): in order, each weight is dropped with probability (still to drop) / (weights
 * left). A stream of core/base/rng.h serves a matrix (MATRIX) or a row (ROW, N:M). It depends on
 * the seed, the matrix and the row alone. So the masks do not depend on the number of threads. The
 * weights are not looked at. */
#ifndef PS_PRUNE_RANDOM_H
#define PS_PRUNE_RANDOM_H

#include "prune/pruning.h"

/* How a mask is drawn. */
typedef struct ps_random_rule {
	ps_prune_options options; /* scope or N:M, and the share if there is no reference */
	uint64_t seed;
	const ps_mask_lookup *like; /* the reference; NULL: none */
} ps_random_rule;

/* Arena bytes of ps_random_prune: the bitmaps of one layer. */
size_t ps_random_bytes(const ps_model_config *config);

/* Hands the masks of all projections to the sink. The arena is rewound at the end. Errors:
 * PS_EUSAGE for options out of range and for scope GLOBAL, PS_EINPUT for columns that M does not
 * divide, PS_EINTERRUPTED, and what the sink returns. */
int ps_random_prune(const ps_model_config *config, const ps_random_rule *rule,
		    const ps_context *context, ps_arena *arena,
		    const ps_mask_sink *sink) PS_MUST_USE;

#endif
