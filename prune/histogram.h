/* prune/histogram.h: the exact k-th smallest of many non-negative f32 scores, which are never held
 * in memory at once; for several k in the same two passes.
 *
 * Non-negative floats have the same order as their 31 low bits. The first pass counts the upper 15
 * of these bits of every score. That gives the bin of the k-th smallest. The second pass counts the
 * lower 16 bits of the scores in that bin. That gives the exact value. Where these bits are 0 in
 * all scores, as in those of bf16 weights, the first pass is enough. Each worker counts in bins of
 * its own; the sums do not depend on which worker counted what.
 *
 *   ps_histogram_clear -> add_upper (all scores) -> end_upper -> [add_lower (all scores)] ->
 *   end_lower */
#ifndef PS_PRUNE_HISTOGRAM_H
#define PS_PRUNE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"

/* One k of several. */
typedef struct ps_histogram_rank {
	uint32_t upper; /* after end_upper: the upper bits of the k-th smallest */
	uint64_t rank;  /* after end_upper: its rank within that bin, from 0 */
} ps_histogram_rank;

typedef struct ps_histogram {
	uint64_t *bins; /* (threads, ranks, 65,536); the first pass uses those of the first rank */
	uint8_t *slot;  /* (32,768): by upper bits, which bins count them; NO_SLOT: none */
	ps_histogram_rank *rank; /* (ranks) */
	uint32_t *bits; /* (threads, a cache line): all bits that are set in a score, first pass */
	int threads;
	size_t ranks; /* k that it finds at once */
	bool second;  /* after end_upper: the second pass is needed */
} ps_histogram;

/* Most ranks of a histogram. */
#define PS_HISTOGRAM_RANKS 64

/* Makes a histogram for so many workers and ranks (1 to PS_HISTOGRAM_RANKS), its bins in the layout
 * (counted or taken; core/base/arena.h). */
void ps_histogram_lay_out(ps_histogram *histogram, int threads, size_t ranks, ps_layout *layout);

/* Zeroes the bins of the first pass. */
void ps_histogram_clear(ps_histogram *histogram);
/* First pass: counts scores. Workers may call it at the same time, each with its own number. */
void ps_histogram_add_upper(ps_histogram *histogram, int worker, const float *scores, size_t count);
/* Ends the first pass: finds the bins of the k[i]-th smallest (ranks), each k from 0 and below the
 * number of scores. True: the second pass is needed. False: leave it out. */
bool ps_histogram_end_upper(ps_histogram *histogram, const uint64_t *k);
/* Second pass: counts the same scores again. */
void ps_histogram_add_lower(ps_histogram *histogram, int worker, const float *scores, size_t count);
/* Ends the second pass, or the first if it was enough. values (ranks): the k[i]-th smallest
 * scores. */
void ps_histogram_end_lower(const ps_histogram *histogram, float *values);

#endif
