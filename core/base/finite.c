/* A number is finite unless all bits of its exponent are set. So it is enough to find the largest
 * magnitude, compared as an integer. */
#include "core/base/finite.h"

#include "core/base/clones.h"

#define LANES 32

typedef uint32_t word __attribute__((may_alias)); /* the bits of a float */

PS_CLONES
bool ps_all_finite(const float *x, size_t n)
{
	const word *bits = (const word *)x;
	uint32_t lane[LANES] = {0}, largest = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++) {
			const uint32_t magnitude = bits[i + l] & 0x7fffffffu;

			lane[l] = magnitude > lane[l] ? magnitude : lane[l];
		}
	for (size_t l = 0; i && l < LANES; l++)
		largest = lane[l] > largest ? lane[l] : largest;
	for (; i < n; i++) {
		const uint32_t magnitude = bits[i] & 0x7fffffffu;

		largest = magnitude > largest ? magnitude : largest;
	}
	return largest < 0x7f800000u;
}

PS_CLONES
bool ps_all_finite_bf16(const uint16_t *x, size_t n)
{
	uint16_t lane[LANES] = {0}, largest = 0;
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (size_t l = 0; l < LANES; l++) {
			const uint16_t magnitude = x[i + l] & 0x7fff;

			lane[l] = magnitude > lane[l] ? magnitude : lane[l];
		}
	for (; i < n; i++)
		largest = (x[i] & 0x7fff) > largest ? x[i] & 0x7fff : largest;
	for (size_t l = 0; l < LANES; l++)
		largest = lane[l] > largest ? lane[l] : largest;
	return largest < 0x7f80;
}

size_t ps_first_not_finite(const float *x, size_t n)
{
	size_t i = 0;

	while (i < n && isfinite(x[i]))
		i++;
	return i;
}
