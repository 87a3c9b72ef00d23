/* core/base/bitmap.h: the keep-mask of one weight matrix.
 *
 * Layout: [rows, ceil(cols / 8)] bytes, row-major; bit c % 8 (least significant first) of byte c / 8 of a row
 * is set where the weight is kept; padding bits are 0. The same bytes stand in a mask file. */
#ifndef PS_CORE_BASE_BITMAP_H
#define PS_CORE_BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/checked.h"

typedef struct ps_bitmap {
	const uint8_t *bits; /* borrowed; NULL: everything is kept */
	size_t rows, cols;
} ps_bitmap;

static inline size_t ps_bitmap_row_bytes(size_t cols)
{
	return ps_div_up(cols, 8);
}

static inline bool ps_bitmap_kept(const uint8_t *row, size_t col)
{
	return row[col / 8] >> col % 8 & 1;
}

static inline void ps_bitmap_drop(uint8_t *row, size_t col)
{
	row[col / 8] &= (uint8_t) ~(1u << col % 8);
}

/* Sets every bit of [rows, cols] and clears the padding. */
void ps_bitmap_fill(uint8_t *bits, size_t rows, size_t cols);

/* Number of kept weights. */
uint64_t ps_bitmap_count(const uint8_t *bits, size_t rows, size_t cols);

/* values[c] = 0 where bit first + c of the row is clear, for c in [0, count). first is a multiple of 8. */
void ps_bitmap_apply(const uint8_t *row, size_t first, size_t count, float *values);

#endif
