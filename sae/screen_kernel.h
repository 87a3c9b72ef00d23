/* sae/screen_kernel.h: the int16 micro-kernels of sae/screen.h, one per instruction set.
 *
 * tile      sum[r, n] (+)= sum_{p < pairs, i < 2} x[p, r, i] * w[p, n, i]
 *           x int16 (pairs, rows, 2), w int16 (pairs, latents, 2), sum int32 (rows, latents).
 *           Sums are exact, since the caller keeps every partial sum within int32. So all kernels
 *           give the same integers.
 * estimate  for one row, per latent of the panel:
 *           value = sum * (scale_w * scale_x) + bias
 *           error = x_norm * by_x_norm + x_error * by_x_error + fixed
 *           lower = value - error,  upper = value + error
 * reach     for `count` rows, a bit per latent: its upper end is at least the row's bound. Few rows
 *           have such a latent, and only these rows need `estimate`. */
#ifndef PS_SAE_SCREEN_KERNEL_H
#define PS_SAE_SCREEN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/cpu.h"

enum { PS_SCREEN_ROWS_MAX = 12, PS_SCREEN_LATENTS_MAX = 32 };

/* What the estimates of a panel's latents need, (latents) each. */
typedef struct ps_screen_bounds {
	const float *scale, *bias, *by_x_norm, *by_x_error, *fixed;
} ps_screen_bounds;

/* What the estimates of a row need. */
typedef struct ps_screen_row {
	float scale; /* of one unit of the int16 row */
	float norm;  /* |x| */
	float error; /* |x - int16 row * scale| */
} ps_screen_row;

typedef struct ps_screen_kernel {
	ps_cpu_kernel cpu;
	size_t rows, latents; /* of a tile */
	/* add: to sum; otherwise sum is overwritten without being read. */
	void (*tile)(size_t pairs, const int16_t *x, const int16_t *w, bool add, int32_t *sum);
	void (*reach)(const int32_t *sum, const ps_screen_bounds *bounds, const ps_screen_row *row,
		      const float *bound, size_t count, uint32_t *reached);
	void (*estimate)(const int32_t *sum, const ps_screen_bounds *bounds,
			 const ps_screen_row *row, float *lower, float *upper);
} ps_screen_kernel;

/* The kernel named by wish (ref, avx2, avx_vnni, avx512 or vnni) where the CPU has it, else the
 * best for this CPU. wish may be NULL. */
const ps_screen_kernel *ps_screen_kernel_choose(const char *wish);

#endif
