/* core/base/checked.h: arithmetic on sizes.
 *
 * Sizes that come from files go through ps_size_mul, ps_size_add and ps_range_fits before they are
 * used. These return false on overflow, or if the range does not fit; *out is then untouched. */
#ifndef PS_CORE_BASE_CHECKED_H
#define PS_CORE_BASE_CHECKED_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b. */
static inline bool ps_size_mul(size_t a, size_t b, size_t *out)
{
	size_t r;

	if (__builtin_mul_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

/* *out = a + b. */
static inline bool ps_size_add(size_t a, size_t b, size_t *out)
{
	size_t r;

	if (__builtin_add_overflow(a, b, &r))
		return false;
	*out = r;
	return true;
}

/* Whether [offset, offset + length) lies within [0, limit). */
static inline bool ps_range_fits(uint64_t offset, uint64_t length, uint64_t limit)
{
	return offset <= limit && length <= limit - offset;
}

/* ceil(a / b): how many parts of size b cover a. b > 0, and a + b does not overflow. */
static inline size_t ps_div_up(size_t a, size_t b)
{
	assert(b > 0);
	return (a + b - 1) / b;
}

/* The least multiple of `multiple` that is not below value. */
static inline size_t ps_round_up(size_t value, size_t multiple)
{
	return ps_div_up(value, multiple) * multiple;
}

/* The lesser of two sizes. */
static inline size_t ps_min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The greater of two sizes. */
static inline size_t ps_max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

#endif
