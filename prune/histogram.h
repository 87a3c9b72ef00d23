/* prune/histogram.h: the exact k-th smallest of many non-negative f32 scores that are never held at once.
 *
 * Non-negative floats order as their 31 bits do. A first pass counts the upper 15 bits of every score, which
 * gives the bin of the k-th; a second counts the lower 16 bits of the scores in that bin, which gives its bits.
 * Each worker counts in its own bins; the sums do not depend on who counted what.
 *
 *   ps_histogram_clear -> add_upper (all scores) -> end_upper -> add_lower (all scores) -> end_lower */
#ifndef PS_PRUNE_HISTOGRAM_H
#define PS_PRUNE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"

typedef struct ps_histogram {
	uint64_t *bins; /* (threads, 65,536) */
	int threads;
	uint32_t upper; /* upper bits of the k-th smallest, after end_upper */
	uint64_t rank;  /* its rank within that bin, from 0 */
} ps_histogram;

size_t ps_histogram_bytes(int threads);
int ps_histogram_create(ps_histogram *histogram, int threads, ps_arena *arena,
			ps_diag *diag) PS_MUST_USE;

void ps_histogram_clear(ps_histogram *histogram);
void ps_histogram_add_upper(ps_histogram *histogram, int worker, const float *scores, size_t count);
void ps_histogram_end_upper(ps_histogram *histogram, uint64_t k); /* k < number of scores added */
void ps_histogram_add_lower(ps_histogram *histogram, int worker, const float *scores, size_t count);
float ps_histogram_end_lower(ps_histogram *histogram);

#endif
