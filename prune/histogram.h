/* prune/histogram.h: the exact k-th smallest of many non-negative f32 scores, which are never held
 * in memory at once.
 *
 * Non-negative floats have the same order as their 31 low bits. The first pass counts the upper 15
 * of these bits of every score. That gives the bin of the k-th smallest. The second pass counts the
 * lower 16 bits of the scores in that bin. That gives the exact value. Each worker counts in bins
 * of its own; the sums do not depend on which worker counted what.
 *
 *   ps_histogram_clear -> add_upper (all scores) -> end_upper -> add_lower (all scores) ->
 *   end_lower */
#ifndef PS_PRUNE_HISTOGRAM_H
#define PS_PRUNE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"

typedef struct ps_histogram {
	uint64_t *bins; /* (threads, 65,536) */
	int threads;
	uint32_t upper; /* after end_upper: the upper bits of the k-th smallest */
	uint64_t rank;  /* after end_upper: its rank within that bin, from 0 */
} ps_histogram;

/* Makes a histogram for so many workers, its bins in the layout (counted or taken;
 * core/base/arena.h). */
void ps_histogram_lay_out(ps_histogram *histogram, int threads, ps_layout *layout);

/* Zeroes all bins. */
void ps_histogram_clear(ps_histogram *histogram);
/* First pass: counts scores. Workers may call it at the same time, each with its own number. */
void ps_histogram_add_upper(ps_histogram *histogram, int worker, const float *scores, size_t count);
/* Ends the first pass: finds the bin of the k-th smallest, k from 0 and below the number of
 * scores. */
void ps_histogram_end_upper(ps_histogram *histogram, uint64_t k);
/* Second pass: counts the same scores again. */
void ps_histogram_add_lower(ps_histogram *histogram, int worker, const float *scores, size_t count);
/* Ends the second pass. Returns the k-th smallest score. */
float ps_histogram_end_lower(ps_histogram *histogram);

#endif
