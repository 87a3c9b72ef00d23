#include "prune/histogram.h"

#include <string.h>

#define BINS 65536

void ps_histogram_lay_out(ps_histogram *histogram, int threads, ps_layout *layout)
{
	*histogram = (ps_histogram){
		.threads = threads,
		.bins = ps_layout_part(layout, (size_t)threads * BINS, sizeof *histogram->bins)};
}

void ps_histogram_clear(ps_histogram *histogram)
{
	memset(histogram->bins, 0, (size_t)histogram->threads * BINS * sizeof *histogram->bins);
}

static inline uint32_t bits_of(const float *score)
{
	uint32_t bits;

	memcpy(&bits, score, sizeof bits);
	return bits;
}

void ps_histogram_add_upper(ps_histogram *histogram, int worker, const float *scores, size_t count)
{
	uint64_t *bins = histogram->bins + (size_t)worker * BINS;

	for (size_t i = 0; i < count; i++)
		bins[bits_of(scores + i) >> 16]++;
}

void ps_histogram_add_lower(ps_histogram *histogram, int worker, const float *scores, size_t count)
{
	uint64_t *bins = histogram->bins + (size_t)worker * BINS;

	for (size_t i = 0; i < count; i++)
		if (bits_of(scores + i) >> 16 == histogram->upper)
			bins[bits_of(scores + i) & 0xffff]++;
}

/* The bin of the score of rank k (from 0). *rank: its rank within that bin. */
static uint32_t find_bin(const ps_histogram *histogram, uint64_t k, uint64_t *rank)
{
	for (uint32_t bin = 0; bin < BINS; bin++) {
		uint64_t count = 0;

		for (int t = 0; t < histogram->threads; t++)
			count += histogram->bins[(size_t)t * BINS + bin];
		if (k < count) {
			*rank = k;
			return bin;
		}
		k -= count;
	}
	*rank = 0;
	return BINS - 1;
}

void ps_histogram_end_upper(ps_histogram *histogram, uint64_t k)
{
	histogram->upper = find_bin(histogram, k, &histogram->rank);
	ps_histogram_clear(histogram);
}

float ps_histogram_end_lower(ps_histogram *histogram)
{
	uint64_t rank;
	uint32_t bits = histogram->upper << 16 | find_bin(histogram, histogram->rank, &rank);
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}
