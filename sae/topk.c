#include "sae/topk.h"

#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"

/* Positive floats compare as their bit patterns do. So the k-th largest value is found by counting,
 * bit by bit from the top: no branch depends on the data, and any input takes the same time.
 * A row is first reduced to the maxima of a few times k interleaved groups. The k-th largest
 * maximum bounds the k-th largest value from below, and little more than k values reach it. */

enum {
	STRIP = 32, /* values compared at a time */
	GROUPS_PER_K = 4,
	TOP_BIT = 30,       /* highest bit of a positive float's pattern */
	BOUND_LOW_BIT = 15, /* lowest bit of a bound, of which 8 bits of mantissa are enough */
	LARGEST_BITS = 0x7f800000, /* the pattern of infinity */
};

size_t ps_topk_scratch(size_t n)
{
	return 3 * ps_round_up(n, STRIP) * sizeof(float);
}

/* Returns the largest multiple of 2^low_bit that at least k of the patterns reach; 0 when fewer
 * than k are positive. */
PS_CLONES static int32_t kth_largest(const int32_t *bits, size_t n, size_t k, int low_bit)
{
	int32_t found = 0;

	for (int bit = TOP_BIT; bit >= low_bit; bit--) {
		const int32_t tried = found | (int32_t)1 << bit;
		int32_t reached = 0;

		for (size_t i = 0; i < n; i++)
			reached += bits[i] >= tried;
		if ((size_t)reached >= k)
			found = tried;
	}
	return found;
}

/* maxima[g] = max(0, z[g], z[g + groups], ...) */
PS_CLONES static void group_maxima(const float *restrict z, size_t n, size_t groups,
				   float *restrict maxima)
{
	memset(maxima, 0, groups * sizeof *maxima);
	for (size_t first = 0; first < n; first += groups) {
		const size_t count = ps_min_size(groups, n - first);

		for (size_t g = 0; g < count; g++)
			maxima[g] = z[first + g] > maxima[g] ? z[first + g] : maxima[g];
	}
}

/* Lists every z[i] >= bound; bound is positive. */
PS_CLONES static size_t collect(const float *z, size_t n, float bound, uint32_t *index,
				float *value)
{
	const size_t whole = n - n % STRIP;
	size_t count = 0;

	for (size_t first = 0; first < whole; first += STRIP) {
		uint32_t hits = 0;

		for (unsigned i = 0; i < STRIP; i++)
			hits |= (uint32_t)(z[first + i] >= bound) << i;
		for (; hits; hits &= hits - 1) {
			const size_t at = first + (size_t)__builtin_ctz(hits);

			index[count] = (uint32_t)at;
			value[count++] = z[at];
		}
	}
	for (size_t i = whole; i < n; i++) {
		if (z[i] >= bound) {
			index[count] = (uint32_t)i;
			value[count++] = z[i];
		}
	}
	return count;
}

static float float_of(int32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof value);
	return value;
}

/* Returns a positive value that k of the values reach, or all positive ones if they are fewer. */
static float lower_bound(const float *z, size_t n, size_t k, float *maxima, int32_t *bits)
{
	const size_t groups = ps_round_up(GROUPS_PER_K * k, STRIP);
	int32_t bound = 0;

	if (2 * groups <= n) {
		group_maxima(z, n, groups, maxima);
		memcpy(bits, maxima, groups * sizeof *bits);
		bound = kth_largest(bits, groups, k, BOUND_LOW_BIT);
	}
	return float_of(bound > 0 ? bound : 1);
}

size_t ps_topk_select(const float *z, size_t n, size_t k, void *scratch, uint32_t *index,
		      float *value)
{
	float *candidate = scratch;
	uint32_t *candidate_index = (uint32_t *)scratch + ps_round_up(n, STRIP);
	int32_t *bits = (int32_t *)scratch + 2 * ps_round_up(n, STRIP);
	size_t candidates, above = 0, ties, count = 0;
	float cut;

	candidates =
		collect(z, n, lower_bound(z, n, k, candidate, bits), candidate_index, candidate);
	if (candidates <= k) {
		memcpy(index, candidate_index, candidates * sizeof *index);
		memcpy(value, candidate, candidates * sizeof *value);
		return candidates;
	}
	memcpy(bits, candidate, candidates * sizeof *bits);
	cut = float_of(kth_largest(bits, candidates, k, 0));
	for (size_t i = 0; i < candidates; i++)
		above += candidate[i] > cut;
	ties = k - above;
	for (size_t i = 0; i < candidates; i++) {
		if (candidate[i] > cut || (candidate[i] == cut && ties && ties--)) {
			index[count] = candidate_index[i];
			value[count++] = candidate[i];
		}
	}
	return count;
}

size_t ps_topk_signed_scratch(size_t n)
{
	return ps_topk_scratch(n) + 3 * ps_round_up(n, STRIP) * sizeof(float);
}

/* Gives each value that is not positive a positive key, the larger the nearer the value is to 0.
 * The others get -1. */
static void mirror(const float *z, size_t n, float *key)
{
	for (size_t i = 0; i < n; i++) {
		int32_t bits;
		const float size = -z[i];

		memcpy(&bits, &size, sizeof bits);
		key[i] = z[i] <= 0 ? float_of(LARGEST_BITS - (bits & INT32_MAX)) : -1;
	}
}

size_t ps_topk_select_signed(const float *z, size_t n, size_t k, void *scratch, uint32_t *index,
			     float *value)
{
	float *key = (float *)((char *)scratch + ps_topk_scratch(n)),
	      *negative = key + ps_round_up(n, STRIP);
	uint32_t *negative_index = (uint32_t *)(negative + ps_round_up(n, STRIP));
	const size_t positives = ps_topk_select(z, n, k, scratch, index, value);
	size_t negatives, total, left = positives;

	if (positives == k)
		return k;
	mirror(z, n, key);
	negatives = ps_topk_select(key, n, k - positives, scratch, negative_index, negative);
	total = positives + negatives;
	/* Both lists ascend by index. They are merged from the back. */
	for (size_t at = total; negatives; at--) {
		if (left && index[left - 1] > negative_index[negatives - 1]) {
			left--;
			index[at - 1] = index[left];
			value[at - 1] = value[left];
		} else {
			index[at - 1] = negative_index[--negatives];
			value[at - 1] = z[index[at - 1]];
		}
	}
	return total;
}

size_t ps_above_select(const float *z, const float *threshold, float floor, size_t n,
		       uint32_t *index, float *value)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (z[i] > floor && (!threshold || z[i] > threshold[i])) {
			index[count] = (uint32_t)i;
			value[count++] = z[i];
		}
	}
	return count;
}
