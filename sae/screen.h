/* sae/screen.h: which latents can be among the K largest of a row, without computing all pre-activations in f32.
 *
 * Rows of the encoder and of x are kept as int16 with a scale each; their product is exact in int32 and, at twice
 * the rate of f32 or better, gives every pre-activation within a bound that holds whatever the values are:
 *   w = s_w w' + dw,  x = s_x x' + dx,   |w . x - s_w s_x (w' . x')| <= |dw| |x| + |dx| |s_w w'|   (Cauchy-Schwarz)
 * plus the rounding of the f32 product itself and of the estimate, (D / 32 + 40) 2^-24 (|w| |x| + |b|): ps_rows_dot
 * sums 32 lanes. |dw| and |dx| are measured, not assumed. A running bound, the K-th largest lower end so far,
 * drops what cannot be selected any more: z of the K-th largest is at least that, and nothing whose upper end is
 * below it can be chosen, ties included. What is left (candidates) is computed in f32 by the caller: the selection
 * is then the very one of the plain f32 path. Typically K + a few candidates: docs/DEFINITIONS.md, "Screening".
 *
 * No sum leaves int32: |w'| |x'| < 44100^2 < 2^31, which bounds every partial sum; elements are at most 32767.
 * Layout: latents in panels, rows in tiles, of the kernel's sizes (sae/screen_kernel.h); all columns of a panel.
 * Memory: 2 D F bytes for the encoder, and per thread a group of rows and its candidates. */
#ifndef PS_SAE_SCREEN_H
#define PS_SAE_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

#include "sae/layout.h"

typedef struct ps_screen ps_screen;

/* Whether screening saves anything: k is small against the latents, and a row is not too long for the bound. */
bool ps_screen_pays(size_t d_in, size_t d_sae, size_t k);

/* Lists the buffers of a screen for at most d_sae latents, of which at most k are selected. NULL
 * while counting. */
ps_screen *ps_screen_lay_out(ps_sae_layout *layout, size_t d_in, size_t d_sae, size_t k);

/* Latents that lie together in memory: [n * PS_SCREEN_LATENTS, ...) may be taken by different threads at a time. */
#define PS_SCREEN_LATENTS ((size_t)32)
/* Latents [first, end) from now on: enc (F, D), b (F), norm (F) or NULL: z = (enc x + b) * norm. first is a multiple of
 * PS_SCREEN_LATENTS; end as well, unless it is the number of latents. */
void ps_screen_take_latents(ps_screen *screen, size_t first, size_t end, const float *enc,
			    const float *b, const float *norm);

/* Rows that are screened together, at most. */
#define PS_SCREEN_ROWS ((size_t)120)
/* A multiple of so many leaves nothing idle. */
size_t ps_screen_tile_rows(const ps_screen *screen);

/* Candidates for the k largest of each of the rows (rows, D) among the first d_sae latents, kept with the worker
 * until its next call. positive: only what may be above 0 is wanted. */
void ps_screen_run(ps_screen *screen, const float *x, size_t rows, size_t d_sae, size_t k,
		   bool positive, int worker);

/* Of the worker's row: ascending latents, or NULL where all have to be computed (values beyond the bound's range,
 * too many candidates). Valid until the worker's next ps_screen_run. */
const uint32_t *ps_screen_candidates(const ps_screen *screen, int worker, size_t row,
				     size_t *count);

const char *ps_screen_kernel_name(const ps_screen *screen);

#endif
