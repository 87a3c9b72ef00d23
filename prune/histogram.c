#include "prune/histogram.h"

#include <string.h>

#define BINS 65536
#define UPPER_BITS 15 /* the sign is never set */
#define NO_SLOT UINT8_MAX

void ps_histogram_lay_out(ps_histogram *histogram, int threads, size_t ranks, ps_layout *layout)
{
	*histogram = (ps_histogram){.threads = threads, .ranks = ranks};
	histogram->bins =
		ps_layout_part(layout, (size_t)threads * ranks * BINS, sizeof *histogram->bins);
	histogram->rank = ps_layout_part(layout, ranks, sizeof *histogram->rank);
	histogram->slot = ps_layout_part(layout, (size_t)1 << UPPER_BITS, sizeof *histogram->slot);
}

static inline uint32_t bits_of(const float *score)
{
	uint32_t bits;

	memcpy(&bits, score, sizeof bits);
	return bits;
}

/* The bins of a worker for one rank. */
static uint64_t *bins_of(const ps_histogram *histogram, int worker, size_t rank)
{
	return histogram->bins + ((size_t)worker * histogram->ranks + rank) * BINS;
}

static void clear_slot(ps_histogram *histogram, size_t slot)
{
	for (int t = 0; t < histogram->threads; t++)
		memset(bins_of(histogram, t, slot), 0, BINS * sizeof *histogram->bins);
}

void ps_histogram_clear(ps_histogram *histogram)
{
	clear_slot(histogram, 0);
}

void ps_histogram_add_upper(ps_histogram *histogram, int worker, const float *scores, size_t count)
{
	uint64_t *bins = bins_of(histogram, worker, 0);

	for (size_t i = 0; i < count; i++)
		bins[bits_of(scores + i) >> 16]++;
}

void ps_histogram_add_lower(ps_histogram *histogram, int worker, const float *scores, size_t count)
{
	uint64_t *bins = bins_of(histogram, worker, 0);
	const uint8_t *slot = histogram->slot;

	for (size_t i = 0; i < count; i++) {
		const uint32_t bits = bits_of(scores + i);
		const uint8_t s = slot[bits >> 16];

		if (s != NO_SLOT)
			bins[(size_t)s * BINS + (bits & 0xffff)]++;
	}
}

/* The bin of the score of rank k (from 0) among the bins of a slot. *rank: its rank within that
 * bin. */
static uint32_t find_bin(const ps_histogram *histogram, size_t slot, uint64_t k, uint64_t *rank)
{
	for (uint32_t bin = 0; bin < BINS; bin++) {
		uint64_t count = 0;

		for (int t = 0; t < histogram->threads; t++)
			count += bins_of(histogram, t, slot)[bin];
		if (k < count) {
			*rank = k;
			return bin;
		}
		k -= count;
	}
	*rank = 0;
	return BINS - 1;
}

/* Ranks with the same upper bits share the bins of the first of them. The bins of the first pass
 * become those of rank 0 once all are found. */
void ps_histogram_end_upper(ps_histogram *histogram, const uint64_t *k)
{
	memset(histogram->slot, NO_SLOT, ((size_t)1 << UPPER_BITS) * sizeof *histogram->slot);
	for (size_t i = 0; i < histogram->ranks; i++) {
		ps_histogram_rank *r = &histogram->rank[i];

		r->upper = find_bin(histogram, 0, k[i], &r->rank);
	}
	for (size_t i = 0; i < histogram->ranks; i++) {
		uint8_t *slot = &histogram->slot[histogram->rank[i].upper];

		if (*slot != NO_SLOT)
			continue;
		*slot = (uint8_t)i;
		clear_slot(histogram, i);
	}
}

void ps_histogram_end_lower(const ps_histogram *histogram, float *values)
{
	for (size_t i = 0; i < histogram->ranks; i++) {
		const ps_histogram_rank *r = &histogram->rank[i];
		uint64_t rank;
		const uint32_t bits =
			r->upper << 16 |
			find_bin(histogram, histogram->slot[r->upper], r->rank, &rank);

		memcpy(values + i, &bits, sizeof bits);
	}
}
