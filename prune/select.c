#include "prune/select.h"

#include <string.h>

#include "core/base/bitmap.h"
#include "core/base/checked.h"
#include "core/base/clones.h"

#define INFINITY_BITS 0x7f800000u
#define LEVELS 256 /* columns whose levels are held at once */
#define LEVEL_KEPT 127
#define TOP_BITS 0x8080808080808080u
#define LOW_BITS 0x0101010101010101u

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
 * Non-negative floats have the same order as their bit patterns. *below: how many scores are
 * smaller. */
PS_CLONES static float kth_smallest(const float *scores, size_t cols, size_t k, size_t *below)
{
	uint32_t bits = 0;

	*below = 0;
	for (uint32_t bit = 1u << 30; bit; bit >>= 1) {
		uint32_t trial = bits | bit;
		size_t count;

		if (trial > INFINITY_BITS)
			continue;
		count = count_below(scores, cols, float_of(trial));
		if (count <= k) {
			bits = trial;
			*below = count;
		}
	}
	return float_of(bits);
}

/* Clears the bits of columns [first, last) whose score is at most limit. */
PS_CLONES static void drop_up_to(const float *scores, size_t first, size_t last, float limit,
				 uint8_t *keep)
{
	size_t c = first;

	for (; c < last && c % 8; c++)
		keep[c / 8] &= (uint8_t) ~((unsigned)(scores[c] <= limit) << c % 8);
	for (; c + 8 <= last; c += 8) {
		unsigned gone = 0;

		for (unsigned j = 0; j < 8; j++)
			gone |= (unsigned)(scores[c + j] <= limit) << j;
		keep[c / 8] &= (uint8_t)~gone;
	}
	for (; c < last; c++)
		keep[c / 8] &= (uint8_t) ~((unsigned)(scores[c] <= limit) << c % 8);
}

/* level[c]: how many of the thresholds are below score c. */
PS_CLONES static void count_levels(const float *scores, const float *threshold, size_t count,
				   uint8_t level[LEVELS])
{
	uint32_t wide[LEVELS] = {0};

	for (size_t t = 0; t < count; t++) {
		const float limit = threshold[t];

		for (size_t c = 0; c < LEVELS; c++)
			wide[c] += scores[c] > limit;
	}
	for (size_t c = 0; c < LEVELS; c++)
		level[c] = (uint8_t)wide[c];
}

/* Clears the bits of columns whose level is at most cut; both are below 128. Of eight columns at a
 * time the top bit of each byte stays where the level is above, and the product gathers these bits
 * into one byte. */
PS_CLONES static void drop_levels(const uint8_t *level, size_t columns, uint8_t cut, uint8_t *keep)
{
	for (size_t c = 0; c < columns; c += 8) {
		uint64_t eight, above;

		memcpy(&eight, level + c, sizeof eight);
		above = ((eight | TOP_BITS) - (cut + 1) * LOW_BITS) & TOP_BITS;
		keep[c / 8] &= (uint8_t)((above >> 7) * 0x0102040810204080u >> 56);
	}
}

/* A score above a threshold is above all that are lower, so its level tells it. Columns are taken
 * LEVELS at a time; those behind the end count as kept. */
void ps_select_thresholds(const float *scores, size_t cols, const float *threshold, size_t count,
			  uint8_t *const *keep, size_t row)
{
	const size_t row_bytes = ps_bitmap_row_bytes(cols);
	uint8_t cut[PS_SELECT_THRESHOLDS] = {0};

	for (size_t t = 0; t < count; t++)
		for (size_t other = 0; other < count; other++)
			cut[t] += threshold[other] < threshold[t];
	for (size_t first = 0; first < cols; first += LEVELS) {
		const size_t some = ps_min_size(LEVELS, cols - first);
		float last[LEVELS];
		uint8_t level[LEVELS];

		if (some < LEVELS) {
			memset(last, 0, sizeof last);
			memcpy(last, scores + first, some * sizeof *last);
		}
		count_levels(some < LEVELS ? last : scores + first, threshold, count, level);
		memset(level + some, LEVEL_KEPT, LEVELS - some);
		for (size_t t = 0; t < count; t++)
			drop_levels(level, some, cut[t], keep[t] + row * row_bytes + first / 8);
	}
}

void ps_select_row(const float *scores, size_t cols, double sparsity, uint8_t *keep)
{
	size_t drop = (size_t)((double)cols * sparsity), below, cut = 0;
	float limit;

	if (!drop)
		return;
	limit = kth_smallest(scores, cols, drop - 1, &below);
	/* Columns left of the cut drop at equality too. The cut is where drop - below of them have
	 * tied. */
	for (size_t ties = drop - below; ties; cut++)
		ties -= scores[cut] == limit;
	drop_up_to(scores, 0, cut, limit, keep);
	if (bits_of(limit))
		drop_up_to(scores, cut, cols, float_of(bits_of(limit) - 1), keep);
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
