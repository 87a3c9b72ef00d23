/* prune/select_kernel.h: the scores of one row against thresholds, one kernel per instruction set.
 *
 *   bit c % 8 of keep[t][c / 8] = scores[c] > threshold[t]     c < cols, t < count
 *
 * All ceil(cols / 8) bytes of a bitmap's row are written, with zeros as padding. The scores are f32
 * and not NaN. Neither scores nor bitmaps need an alignment. All kernels give the same bits. */
#ifndef PS_PRUNE_SELECT_KERNEL_H
#define PS_PRUNE_SELECT_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/cpu.h"

/* Most thresholds of one call. */
#define PS_SELECT_THRESHOLDS 64

typedef struct ps_select_kernel {
	ps_cpu_kernel cpu; /* named ref, neon, avx2 or avx512 */
	/* kept[t]: the number of bits that are set. */
	void (*compare)(const float *scores, size_t cols, const float *threshold, size_t count,
			uint8_t *const *keep, size_t *kept);
} ps_select_kernel;

/* The kernel of that name if this CPU has its instructions, else the best one. wish NULL: the
 * best. */
const ps_select_kernel *ps_select_kernel_choose(const char *wish);

#endif
