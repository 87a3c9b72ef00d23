/* analysis/compare.h: how much of dictionary A is found again in dictionary B.
 *
 * Cosines of decoder rows, C[i, j] = cos(a_i, b_j), A (F_a, D), B (F_b, D).
 *   mnn: i and j are each other's nearest (ties to the lower index) and C[i, j] >= tau: i survives.
 *   mmcs = mean_i max_j C[i, j];   mmcs_null: the same against seeded random unit rows of B's shape.
 *   hungarian_cosine = mean over the assignment that maximises sum C (Jonker-Volgenant).
 *   shared_fraction (Paulo, Belrose, arXiv 2501.16615): decoder and encoder assignments agree on the pair and
 *   both cosines >= tau. */
#ifndef PS_ANALYSIS_COMPARE_H
#define PS_ANALYSIS_COMPARE_H

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/model/matmul.h"
#include "sae/sae.h"

typedef struct ps_match {
	uint32_t *nearest; /* (F_a): argmax_j C[i, j] */
	float *cosine;     /* (F_a): its cosine */
	uint8_t *mutual;   /* (F_a): i is also the nearest of its nearest */
	size_t count;
} ps_match;

size_t ps_match_bytes(size_t f_a, size_t f_b, size_t d, int threads);
/* match's arrays are taken from the arena and stay valid with it. */
int ps_match_decoders(const ps_sae *a, const ps_sae *b, const ps_context *context, ps_arena *arena,
		      ps_match *match) PS_MUST_USE;

/* Fraction of A's latents (those with alive[i], or all when NULL) that are mutual with cosine >= tau. */
double ps_match_survival(const ps_match *match, double tau, const uint8_t *alive);

typedef struct ps_comparison {
	double mnn_survival, mnn_survival_alive, mmcs, mmcs_null, hungarian_cosine, shared_fraction;
} ps_comparison;

size_t ps_compare_bytes(size_t f_a, size_t f_b, size_t d, int threads);
/* alive: latents of A alive in training, or NULL. */
int ps_compare_saes(const ps_sae *a, const ps_sae *b, double tau, const uint8_t *alive,
		    uint64_t null_seed, const ps_context *context, ps_arena *arena,
		    ps_comparison *out) PS_MUST_USE;

#endif
