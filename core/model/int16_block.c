#include "core/model/int16_block.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/base/clones.h"

#define ELEMENT_MOST 32767.0
#define NORM_MOST 46330.0
#define LANES ((size_t)16)

_Static_assert(PS_INT16_BLOCK <= 256 && PS_INT16_BLOCK % 2 == 0, "the proof is for 256 columns");

typedef uint32_t word __attribute__((may_alias)); /* the bits of a float */

PS_CLONES
static double sum_of_squares(const float *x, size_t n)
{
	double lane[LANES] = {0};
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] += (double)x[i + l] * (double)x[i + l];
	for (size_t l = 0; i < n; i++, l++)
		lane[l] += (double)x[i] * (double)x[i];
	for (size_t width = LANES / 2; width; width /= 2)
		for (size_t l = 0; l < width; l++)
			lane[l] += lane[l + width];
	return lane[0];
}

static inline uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* max |x|. Bits of numbers without their sign are ordered as the numbers are, and gcc makes vectors
 * of integers. With a NaN the result means nothing; sum_of_squares tells. */
PS_CLONES
static float largest(const float *x, size_t n)
{
	const word *bits = (const word *)x;
	uint32_t lane[LANES] = {0}, most = 0;
	float value;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++)
			lane[l] = larger(lane[l], bits[i + l] & 0x7fffffff);
	for (; i < n; i++)
		most = larger(most, bits[i] & 0x7fffffff);
	for (size_t l = 0; l < LANES; l++)
		most = larger(most, lane[l]);
	memcpy(&value, &most, sizeof value);
	return value;
}

PS_CLONES
static void divide(const float *restrict x, size_t n, float inverse, int16_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (int16_t)(int32_t)rintf(x[i] * inverse);
}

static void pack_block(const float *x, size_t n, uint32_t *elements)
{
	int16_t integers[PS_INT16_BLOCK];
	const double squares = sum_of_squares(x, n);
	const double step = fmax((double)largest(x, n) / ELEMENT_MOST, sqrt(squares) / NORM_MOST);
	float scale = (float)step;

	if (isfinite(squares) && step >= (double)FLT_MIN) {
		divide(x, n, (float)(1 / step), integers);
	} else {
		scale = isfinite(squares) ? 0 : NAN;
		memset(integers, 0, n * sizeof *integers);
	}
	if (n % 2)
		integers[n] = 0;
	memcpy(elements, &scale, sizeof scale);
	memcpy(elements + 1, integers, ps_round_up(n, 2) * sizeof *integers);
}

void ps_int16_pack(const float *x, size_t n, uint32_t *elements)
{
	for (size_t first = 0; first < n; first += PS_INT16_BLOCK)
		pack_block(x + first, ps_min_size(PS_INT16_BLOCK, n - first),
			   elements + ps_int16_slices(first));
}

static void unpack_block(const uint32_t *elements, size_t step, size_t n, float *x)
{
	float scale;

	memcpy(&scale, elements, sizeof scale);
	for (size_t k = 0; k < n; k++) {
		const uint32_t pair = elements[(1 + k / 2) * step];

		x[k] = scale * (float)(int16_t)(k % 2 ? pair >> 16 : pair);
	}
}

void ps_int16_unpack(const uint32_t *elements, size_t step, size_t n, float *x)
{
	for (size_t first = 0; first < n; first += PS_INT16_BLOCK)
		unpack_block(elements + ps_int16_slices(first) * step, step,
			     ps_min_size(PS_INT16_BLOCK, n - first), x + first);
}
