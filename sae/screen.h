/* sae/screen.h: which latents can be among the K largest of a row, without an f32 product.
 *
 * Encoder rows w and input rows x are rounded to int16, with a scale each. Their product is exact
 * in int32 and takes half the time of an f32 product or less. It gives every pre-activation within
 * a bound that holds for any values:
 *   w = s_w w' + dw,  x = s_x x' + dx
 *   |w . x - s_w s_x (w' . x')| <= |dw| |x| + |dx| |s_w w'|                       (Cauchy-Schwarz)
 * The bound also covers the rounding of the f32 product, which sums 32 lanes (ps_rows_dot), and of
 * the estimate: (D / 32 + 40) 2^-24 (|w| |x| + |b|). |dw| and |dx| are measured, not assumed.
 *
 * So z of a latent lies between a lower and an upper end. The K-th largest lower end so far is a
 * running bound: the K-th largest z is at least that. A latent whose upper end is below the bound
 * cannot be selected, ties included, and is dropped. The latents that are left are the candidates,
 * typically K and a few more (docs/DEFINITIONS.md, "Screening"). The caller computes them in f32,
 * and so selects the very latents that the plain f32 path selects.
 *
 * No sum leaves int32: |w'| |x'| < 44100^2 < 2^31 bounds every partial sum, and no element exceeds
 * 32767.
 * Layout: latents in panels, rows in tiles, of the kernel's sizes (sae/screen_kernel.h). A panel
 * has all columns.
 * Memory: 2 D F bytes for the encoder; per thread, a group of rows and its candidates. */
#ifndef PS_SAE_SCREEN_H
#define PS_SAE_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "sae/layout.h"

typedef struct ps_screen ps_screen;

/* Whether screening saves time and its bound holds: k is small compared with the latents, and rows
 * are not too long. */
bool ps_screen_pays(size_t d_in, size_t d_sae, size_t k);

/* Lists the buffers of a screen for at most d_sae latents, of which at most k are selected. NULL
 * while counting. PRUNESCOPE_SCREEN may name its kernel. */
ps_screen *ps_screen_lay_out(ps_sae_layout *layout, size_t d_in, size_t d_sae, size_t k);

/* Latents that lie together in memory. Different threads may take over different blocks
 * [n * PS_SCREEN_LATENTS, (n + 1) * PS_SCREEN_LATENTS) at the same time. */
#define PS_SCREEN_LATENTS ((size_t)32)
/* Takes over the weights of latents [first, end): enc (F, D), b (F) and norm (F) or NULL, for
 * z = (enc x + b) * norm. first is a multiple of PS_SCREEN_LATENTS; so is end, unless it is the
 * number of latents. */
void ps_screen_take_latents(ps_screen *screen, size_t first, size_t end, const float *enc,
			    const float *b, const float *norm);

/* The most rows that are screened together. */
#define PS_SCREEN_ROWS ((size_t)120)
/* Rows of the kernel's tile. A number of rows that is a multiple of it leaves no lane idle. */
size_t ps_screen_tile_rows(const ps_screen *screen);

/* Finds the candidates for the k largest z of each of x (rows, D), among the first d_sae latents.
 * They belong to the worker until its next call. positive: only z that may exceed 0 are wanted. */
void ps_screen_run(ps_screen *screen, const float *x, size_t rows, size_t d_sae, size_t k,
		   bool positive, int worker);

/* The candidates of a row of the worker's last ps_screen_run, ascending. NULL: all latents must be
 * computed, because values are beyond the bound's range or there are too many candidates. */
const uint32_t *ps_screen_candidates(const ps_screen *screen, int worker, size_t row,
				     size_t *count);

/* The name of the kernel that runs. */
const char *ps_screen_kernel_name(const ps_screen *screen);

#endif
