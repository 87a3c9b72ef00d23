/* analysis/sizes.h: adds up bytes of memory. SIZE_MAX means that no memory holds them. */
#ifndef PS_ANALYSIS_SIZES_H
#define PS_ANALYSIS_SIZES_H

#include <stdint.h>

#include "core/base/checked.h"

/* a + b, or SIZE_MAX where that overflows. */
static inline size_t ps_bytes_sum(size_t a, size_t b)
{
	size_t sum;

	return ps_size_add(a, b, &sum) ? sum : SIZE_MAX;
}

#endif
