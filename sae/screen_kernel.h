/* sae/screen_kernel.h: the int16 micro-kernels of sae/screen.h, one per instruction set.
 *
 *   sum[r, n] (+)= sum_{p < pairs, i < 2} x[p, r, i] * w[p, n, i]
 * x int16 panel (pairs, rows, 2), w int16 panel (pairs, latents, 2), sum int32 (rows, latents). Sums are exact as
 * long as no partial sum leaves int32, which the caller sees to; so all kernels give the same integers.
 * A row's estimates, one per latent of the panel, are the last step:
 *   value = sum * (scale_w * scale_x) + bias,   error = x_norm * by_x_norm + x_error * by_x_error + fixed
 *   lower = value - error,  upper = value + error
 * `reach` finds for `count` rows the latents whose upper end is at least the row's bound, a bit each: few are, so only
 * of those rows does anyone want the ends themselves, from `estimate`. */
#ifndef PS_SAE_SCREEN_KERNEL_H
#define PS_SAE_SCREEN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PS_SCREEN_ROWS_MAX = 12, PS_SCREEN_LATENTS_MAX = 32 };

/* Of the latents of a panel, each (latents). */
typedef struct ps_screen_bounds {
	const float *scale, *bias, *by_x_norm, *by_x_error, *fixed;
} ps_screen_bounds;

/* Of a row. */
typedef struct ps_screen_row {
	float scale, norm, error; /* of one unit of the int16 row; |x|; |x - int16 row * scale| */
} ps_screen_row;

typedef struct ps_screen_kernel {
	const char *name;
	size_t rows, latents; /* of a tile */
	void (*tile)(size_t pairs, const int16_t *x, const int16_t *w, bool add, int32_t *sum);
	void (*reach)(const int32_t *sum, const ps_screen_bounds *bounds, const ps_screen_row *row,
		      const float *bound, size_t count, uint32_t *reached);
	void (*estimate)(const int32_t *sum, const ps_screen_bounds *bounds,
			 const ps_screen_row *row, float *lower, float *upper);
} ps_screen_kernel;

/* The best for this CPU, or the one named (ref, avx2, avx512, vnni) where the CPU has it, else the best. */
const ps_screen_kernel *ps_screen_kernel_choose(const char *wish);

#endif
