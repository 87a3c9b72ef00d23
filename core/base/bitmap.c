#include "core/base/bitmap.h"

#include <string.h>

void ps_bitmap_fill(uint8_t *bits, size_t rows, size_t cols)
{
	size_t row_bytes = ps_bitmap_row_bytes(cols);

	memset(bits, 0xff, rows * row_bytes);
	if (cols % 8)
		for (size_t r = 0; r < rows; r++)
			bits[(r + 1) * row_bytes - 1] = (uint8_t)(0xff >> (8 - cols % 8));
}

uint64_t ps_bitmap_count(const uint8_t *bits, size_t rows, size_t cols)
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

void ps_bitmap_apply(const uint8_t *row, size_t first, size_t count, float *values)
{
	for (size_t c = 0; c < count; c++)
		if (!ps_bitmap_kept(row, first + c))
			values[c] = 0;
}
