/* analysis/own_start.h: how far the decoder of a trained SAE is from where it started.
 *
 *   c_j        cosine of decoder row j with the same row at the start (sae/start.h)
 *   survival   share of the trained latents that are mutual nearest neighbours with a latent of the
 *              start, with a cosine of at least tau (compare.h), at each of ps_taus
 *   deciles    of c over the latents: the least, the 10th to the 90th percentile, the largest,
 *              interpolated linearly
 *
 * Two SAEs that start alike resemble each other as far as they resemble the start. Survival against
 * the start says how much of their agreement that can explain: near 0, hardly any; near 1, it may
 * be all of it. Ours. */
#ifndef PS_ANALYSIS_OWN_START_H
#define PS_ANALYSIS_OWN_START_H

#include "analysis/seeds.h"

enum { PS_DECILES = 11 };

typedef struct ps_own_start {
	double survival[PS_TAUS];
	double decile[PS_DECILES];
} ps_own_start;

/* init_seed: of the SAE's training. Takes ps_own_start_bytes from the arena and gives them back;
 * F x D floats are among them. Errors as ps_match_decoders. */
size_t ps_own_start_bytes(size_t latents, size_t d, int threads);
int ps_own_start_measure(const ps_sae *sae, uint64_t init_seed, const ps_context *context,
			 ps_arena *arena, ps_own_start *out) PS_MUST_USE;

/* cosine (F): c_j of every latent. Takes ps_own_start_cosines_bytes from the arena and gives them
 * back. */
size_t ps_own_start_cosines_bytes(size_t d, int threads);
void ps_own_start_cosines(const ps_sae *sae, uint64_t init_seed, const ps_context *context,
			  ps_arena *arena, double *cosine);

#endif
