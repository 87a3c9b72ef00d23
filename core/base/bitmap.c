#include "core/base/bitmap.h"

#include <string.h>

#include "core/base/clones.h"

void ps_bitmap_fill(uint8_t *bits, size_t rows, size_t cols)
{
	size_t row_bytes = ps_bitmap_row_bytes(cols);

	memset(bits, 0xff, rows * row_bytes);
	if (cols % 8)
		for (size_t r = 0; r < rows; r++)
			bits[(r + 1) * row_bytes - 1] = (uint8_t)(0xff >> (8 - cols % 8));
}

PS_CLONES uint64_t ps_bitmap_count(const uint8_t *bits, size_t rows, size_t cols)
{
	size_t bytes = rows * ps_bitmap_row_bytes(cols), i = 0;
	uint64_t count = 0, word;

	for (; i + 8 <= bytes; i += 8) {
		memcpy(&word, bits + i, 8);
		count += (uint64_t)__builtin_popcountll(word);
	}
	for (; i < bytes; i++)
		count += (uint64_t)__builtin_popcount(bits[i]);
	return count;
}

/* values[i] = 0 where bit i is clear. */
PS_CLONES
static void apply_bits(const uint8_t *bits, size_t count, float *values)
{
	typedef uint32_t word8 __attribute__((vector_size(32), aligned(4), may_alias));
	const word8 bit = {1, 2, 4, 8, 16, 32, 64, 128};
	const size_t whole = count / 8;

	for (size_t b = 0; b < whole; b++)
		*(word8 *)(values + 8 * b) &= (word8)((bits[b] & bit) != 0);
	for (size_t i = 8 * whole; i < count; i++)
		if (!ps_bitmap_kept(bits, i))
			values[i] = 0;
}

void ps_bitmap_apply(const uint8_t *row, size_t first, size_t count, float *values)
{
	apply_bits(row + first / 8, count, values);
}
