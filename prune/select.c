#include "prune/select.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/bitmap.h"
#include "core/base/clones.h"

#define INFINITY_BITS 0x7f800000u
#define UPPER_SHIFT 16 /* the upper bits of a score choose its bin: sign, exponent, 7 of mantissa */
#define LOWER_BITS 0xffffu
#define BINS 2048    /* 16 powers of two below the largest score; what is lower shares the first */
#define CHUNK 64     /* bins whose counts are summed before one of them is looked for */
#define PART 256     /* columns whose bins are held at once */
#define LIST_MAX 128 /* scores of a bin that are listed */
#define BELOW_ALL -1.0f /* a limit that every score is above */

/* The scores of a row by their upper bits. */
struct counts {
	uint32_t bin[BINS];
	uint32_t chunk[BINS / CHUNK]; /* the sums of CHUNK bins each */
	uint32_t first; /* the upper bits of bin 0, which holds everything lower too */
	uint32_t any;   /* all bits that are set in a score */
};

static inline float float_of(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

static inline uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	return bits;
}

/* The largest float below a score. */
static float just_below(float score)
{
	const uint32_t bits = bits_of(score);

	return bits ? float_of(bits - 1) : BELOW_ALL;
}

/* --- the k-th smallest score of a row --- */

/* The number of scores below limit. The count of a block fits into 32 bits, so the lanes of the
 * inner loop are as wide as the scores. */
static inline size_t count_below(const float *scores, size_t cols, float limit)
{
	size_t below = 0;

	for (size_t first = 0; first < cols; first += 1u << 16) {
		size_t last = ps_min_size(cols, first + (1u << 16));
		uint32_t block = 0;

		for (size_t c = first; c < last; c++)
			block += scores[c] < limit;
		below += block;
	}
	return below;
}

/* The k-th smallest score (from 0), found bit by bit: the largest v with at most k scores below it.
 * Non-negative floats have the same order as their bit patterns. */
PS_CLONES static float kth_smallest(const float *scores, size_t cols, size_t k)
{
	uint32_t bits = 0;

	for (uint32_t bit = 1u << 30; bit; bit >>= 1) {
		uint32_t trial = bits | bit;

		if (trial <= INFINITY_BITS && count_below(scores, cols, float_of(trial)) <= k)
			bits = trial;
	}
	return float_of(bits);
}

/* The bins of the scores of columns [0, cols), at most PART. */
static inline void find_bins(const float *scores, size_t cols, uint32_t first, uint32_t *bin)
{
	for (size_t c = 0; c < cols; c++) {
		const uint32_t upper = bits_of(scores[c]) >> UPPER_SHIFT;

		bin[c] = upper > first ? upper - first : 0;
	}
}

PS_CLONES static void count_scores(const float *scores, size_t cols, struct counts *counts)
{
	uint32_t most = 0, any = 0;

	for (size_t c = 0; c < cols; c++) {
		const uint32_t bits = bits_of(scores[c]);

		most = bits > most ? bits : most;
		any |= bits;
	}
	most >>= UPPER_SHIFT;
	*counts = (struct counts){.first = most < BINS ? 0 : most - (BINS - 1), .any = any};
	for (size_t at = 0; at < cols; at += PART) {
		const size_t some = ps_min_size(PART, cols - at);
		uint32_t bin[PART];

		find_bins(scores + at, some, counts->first, bin);
		for (size_t c = 0; c < some; c++)
			counts->bin[bin[c]]++;
	}
	for (size_t i = 0; i < BINS / CHUNK; i++) {
		uint32_t sum = 0;

		for (size_t b = 0; b < CHUNK; b++)
			sum += counts->bin[i * CHUNK + b];
		counts->chunk[i] = sum;
	}
}

/* The bin of the score of rank *k (from 0). *k becomes the rank within the bin. */
static uint32_t find_bin(const struct counts *counts, size_t *k)
{
	uint32_t bin = 0;

	for (; counts->chunk[bin / CHUNK] <= *k; bin += CHUNK)
		*k -= counts->chunk[bin / CHUNK];
	for (; counts->bin[bin] <= *k; bin++)
		*k -= counts->bin[bin];
	return bin;
}

/* The bits of columns [col, col + 64) of a bitmap's row, 0 behind its end. 8 divides col. */
static uint64_t word_of(const uint8_t *row, size_t cols, size_t col)
{
	uint64_t word = 0;

	memcpy(&word, row + col / 8, ps_bitmap_row_bytes(ps_min_size(64, cols - col)));
	return word;
}

/* Lists the scores whose bits are set in one bitmap of a row and not in another. */
static size_t list_between(const float *scores, size_t cols, const uint8_t *at_least,
			   const uint8_t *above, float *list)
{
	size_t count = 0;

	for (size_t c = 0; c < cols; c += 64) {
		uint64_t bits = word_of(at_least, cols, c) & ~word_of(above, cols, c);

		for (; bits; bits &= bits - 1)
			list[count++] = scores[c + (size_t)__builtin_ctzll(bits)];
	}
	return count;
}

/* The k-th smallest score. Of the scores in its bin, if it does not tell the score, those between
 * the bin's ends are compared alone. bits: room for two bitmaps. */
static float find_score(const ps_select_kernel *kernel, const float *scores, size_t cols,
			const struct counts *counts, size_t k, uint8_t *const bits[2])
{
	size_t rank = k, kept[2];
	const uint32_t bin = find_bin(counts, &rank), lowest = (counts->first + bin) << UPPER_SHIFT;
	const bool mixed = !bin && counts->first;
	float ends[2] = {mixed ? BELOW_ALL : just_below(float_of(lowest)),
			 float_of(lowest | LOWER_BITS)},
	      list[LIST_MAX];

	if (!(counts->any & LOWER_BITS) && !mixed)
		return float_of(lowest);
	if (counts->bin[bin] > LIST_MAX)
		return kth_smallest(scores, cols, k);
	kernel->compare(scores, cols, ends, 2, bits, kept);
	return kth_smallest(list, list_between(scores, cols, bits[0], bits[1], list), rank);
}

/* --- its mask --- */

/* Of the columns that are set in tied and not in keep, all but the first `skip` become set. */
static void keep_later(size_t cols, const uint8_t *tied, size_t skip, uint8_t *keep)
{
	for (size_t c = 0; c < cols; c += 64) {
		const uint64_t kept = word_of(keep, cols, c);
		uint64_t more = word_of(tied, cols, c) & ~kept;

		for (; more && skip; skip--)
			more &= more - 1;
		more |= kept;
		memcpy(keep + c / 8, &more, ps_bitmap_row_bytes(ps_min_size(64, cols - c)));
	}
}

size_t ps_select_dropped(size_t cols, double sparsity)
{
	return (size_t)((double)cols * sparsity);
}

void ps_select_row(const ps_select_kernel *kernel, const float *scores, size_t cols,
		   const double *sparsity, size_t count, uint8_t *const *keep, uint8_t *spare)
{
	struct counts counts;

	count_scores(scores, cols, &counts);
	for (size_t i = 0; i < count; i++) {
		const size_t drop = ps_select_dropped(cols, sparsity[i]);
		uint8_t *const bits[2] = {spare, keep[i]};
		float limits[2];
		size_t kept[2];

		if (!drop) {
			ps_bitmap_fill(keep[i], 1, cols);
			continue;
		}
		limits[1] = find_score(kernel, scores, cols, &counts, drop - 1, bits);
		limits[0] = just_below(limits[1]);
		kernel->compare(scores, cols, limits, 2, bits, kept);
		/* The lower columns of those at the limit go, until enough have gone. */
		if (kept[1] < cols - drop)
			keep_later(cols, spare, drop - (cols - kept[0]), keep[i]);
	}
}

/* A column drops if fewer than n of its group go before it. Groups are short, so all pairs are
 * compared. */
PS_CLONES void ps_select_nm(const float *scores, size_t cols, unsigned n, unsigned m, uint8_t *keep)
{
	for (size_t first = 0; first + m <= cols; first += m) {
		const float *group = scores + first;

		for (unsigned i = 0; i < m; i++) {
			size_t c = first + i;
			unsigned rank = 0;

			for (unsigned j = 0; j < m; j++)
				rank += group[j] < group[i];
			for (unsigned j = 0; j < i; j++)
				rank += group[j] == group[i];
			keep[c / 8] &= (uint8_t) ~((unsigned)(rank < n) << c % 8);
		}
	}
}
