/* analysis/sizes.h: sizes of arrays in an arena, saturating: SIZE_MAX means that no memory holds it. */
#ifndef PS_ANALYSIS_SIZES_H
#define PS_ANALYSIS_SIZES_H

#include "core/base/arena.h"
#include "core/base/checked.h"

/* Bytes that ps_arena_take uses for count elements of size bytes. */
static inline size_t ps_array_bytes(size_t count, size_t size)
{
	size_t bytes;

	if (!ps_size_mul(count, size, &bytes) || bytes > SIZE_MAX - PS_ALIGN)
		return SIZE_MAX;
	return ps_round_up(bytes, PS_ALIGN);
}

static inline size_t ps_bytes_sum(size_t a, size_t b)
{
	size_t sum;

	return ps_size_add(a, b, &sum) ? sum : SIZE_MAX;
}

/* count elements from the arena; NULL when they do not fit. */
static inline void *ps_array_take(ps_arena *arena, size_t count, size_t size)
{
	size_t bytes = ps_array_bytes(count, size);

	return bytes == SIZE_MAX ? NULL : ps_arena_take(arena, bytes);
}

#endif
