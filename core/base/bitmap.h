/* core/base/bitmap.h: the keep-mask of one weight matrix.
 *
 * Layout: [rows, ceil(cols / 8)] bytes, row-major. Bit c % 8 of byte c / 8 of a row, counted from
 * the least significant, is set if the weight in column c is kept. Padding bits are 0. Mask files
 * hold the same bytes. */
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

/* Bytes of one row. */
static inline size_t ps_bitmap_row_bytes(size_t cols)
{
	return ps_div_up(cols, 8);
}

/* Whether the weight in column col of a row is kept. */
static inline bool ps_bitmap_kept(const uint8_t *row, size_t col)
{
	return row[col / 8] >> col % 8 & 1;
}

/* Marks the weight in column col of a row as dropped. */
static inline void ps_bitmap_drop(uint8_t *row, size_t col)
{
	row[col / 8] &= (uint8_t) ~(1u << col % 8);
}

/* Keeps every weight of [rows, cols]; the padding is cleared. */
void ps_bitmap_fill(uint8_t *bits, size_t rows, size_t cols);

/* How many weights are kept. */
uint64_t ps_bitmap_count(const uint8_t *bits, size_t rows, size_t cols);

/* values[c] = 0 where column first + c of the row is dropped, for c in [0, count). first is a
 * multiple of 8. */
void ps_bitmap_apply(const uint8_t *row, size_t first, size_t count, float *values);

#endif
