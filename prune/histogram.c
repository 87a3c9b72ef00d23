#include "prune/histogram.h"

#include <string.h>

#include "core/base/clones.h"

#define BINS 65536
#define UPPER_BINS 32768 /* of the first pass: the sign is never set */
#define CHUNK 128        /* bins whose counts are summed before one of them is looked for */
#define LINE (PS_ALIGN / sizeof(uint32_t)) /* words in a cache line */
#define LOWER_BITS 0xffff
#define NO_SLOT UINT8_MAX

void ps_histogram_lay_out(ps_histogram *histogram, int threads, size_t ranks, ps_layout *layout)
{
	*histogram = (ps_histogram){.threads = threads, .ranks = ranks};
	histogram->bins =
		ps_layout_part(layout, (size_t)threads * ranks * BINS, sizeof *histogram->bins);
	histogram->rank = ps_layout_part(layout, ranks, sizeof *histogram->rank);
	histogram->slot = ps_layout_part(layout, UPPER_BINS, sizeof *histogram->slot);
	histogram->bits = ps_layout_part(layout, (size_t)threads * LINE, sizeof *histogram->bits);
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

void ps_histogram_clear(ps_histogram *histogram)
{
	for (int t = 0; t < histogram->threads; t++)
		memset(bins_of(histogram, t, 0), 0, UPPER_BINS * sizeof *histogram->bins);
	memset(histogram->bits, 0, (size_t)histogram->threads * LINE * sizeof *histogram->bits);
}

void ps_histogram_add_upper(ps_histogram *histogram, int worker, const float *scores, size_t count)
{
	uint64_t *bins = bins_of(histogram, worker, 0);
	uint32_t any = 0;

	for (size_t i = 0; i < count; i++) {
		const uint32_t bits = bits_of(scores + i);

		any |= bits;
		bins[bits >> 16]++;
	}
	histogram->bits[(size_t)worker * LINE] |= any;
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

/* Adds the counts of all workers to those of the first. */
PS_CLONES static void add_workers(const ps_histogram *histogram, size_t slot, size_t bins)
{
	uint64_t *sum = bins_of(histogram, 0, slot);

	for (int t = 1; t < histogram->threads; t++) {
		const uint64_t *more = bins_of(histogram, t, slot);

		for (size_t bin = 0; bin < bins; bin++)
			sum[bin] += more[bin];
	}
}

PS_CLONES static uint64_t sum_of_chunk(const uint64_t *bins)
{
	uint64_t sum = 0;

	for (size_t bin = 0; bin < CHUNK; bin++)
		sum += bins[bin];
	return sum;
}

/* The bin of the score of rank k (from 0), which is below the sum of all bins. *rank: its rank
 * within that bin. */
static uint32_t find_bin(const uint64_t *bins, uint64_t k, uint64_t *rank)
{
	uint32_t bin = 0;

	for (uint64_t sum; (sum = sum_of_chunk(bins + bin)) <= k; bin += CHUNK)
		k -= sum;
	for (; bins[bin] <= k; bin++)
		k -= bins[bin];
	*rank = k;
	return bin;
}

static void clear_slot(ps_histogram *histogram, size_t slot)
{
	for (int t = 0; t < histogram->threads; t++)
		memset(bins_of(histogram, t, slot), 0, BINS * sizeof *histogram->bins);
}

/* Ranks with the same upper bits share the bins of the first of them. */
static void begin_lower(ps_histogram *histogram)
{
	memset(histogram->slot, NO_SLOT, UPPER_BINS * sizeof *histogram->slot);
	for (size_t i = 0; i < histogram->ranks; i++) {
		uint8_t *slot = &histogram->slot[histogram->rank[i].upper];

		if (*slot != NO_SLOT)
			continue;
		*slot = (uint8_t)i;
		clear_slot(histogram, i);
	}
}

/* The bins of the first pass become those of rank 0 once all are found. */
bool ps_histogram_end_upper(ps_histogram *histogram, const uint64_t *k)
{
	uint32_t any = 0;

	add_workers(histogram, 0, UPPER_BINS);
	for (size_t i = 0; i < histogram->ranks; i++) {
		ps_histogram_rank *r = &histogram->rank[i];

		r->upper = find_bin(bins_of(histogram, 0, 0), k[i], &r->rank);
	}
	for (int t = 0; t < histogram->threads; t++)
		any |= histogram->bits[(size_t)t * LINE];
	histogram->second = any & LOWER_BITS;
	if (histogram->second)
		begin_lower(histogram);
	return histogram->second;
}

/* The lower bits of the score of a rank. */
static uint32_t find_lower(const ps_histogram *histogram, const ps_histogram_rank *r)
{
	uint64_t rank;

	if (!histogram->second)
		return 0;
	return find_bin(bins_of(histogram, 0, histogram->slot[r->upper]), r->rank, &rank);
}

void ps_histogram_end_lower(const ps_histogram *histogram, float *values)
{
	for (size_t i = 0; histogram->second && i < histogram->ranks; i++)
		if (histogram->slot[histogram->rank[i].upper] == i)
			add_workers(histogram, i, BINS);
	for (size_t i = 0; i < histogram->ranks; i++) {
		const ps_histogram_rank *r = &histogram->rank[i];
		const uint32_t bits = r->upper << 16 | find_lower(histogram, r);

		memcpy(values + i, &bits, sizeof bits);
	}
}
