/* analysis/compare.h: how much of SAE A is found again in SAE B.
 *
 * C[i, j] is the cosine of decoder rows a_i and b_j, A (F_a, D), B (F_b, D).
 *   survival: latent i survives when i and some j are each other's nearest and C[i, j] >= tau
 *             (mutual nearest neighbours; ties go to the lower index)
 *   mmcs = mean_i max_j C[i, j];   mmcs_null: the same against seeded random unit rows of B's shape
 *   hungarian_cosine = mean over the one-to-one assignment with the largest sum (Jonker, Volgenant)
 *   pw_mcc = the largest mean of |C| that a one-to-one assignment can have (pairwise dictionary
 *             mean correlation coefficient, arXiv 2505.20254; there F_a = F_b)
 *   shared_fraction: assignments of decoder and of encoder rows agree on the pair, and both cosines
 *             are >= tau (Paulo, Belrose, arXiv 2501.16615) */
#ifndef PS_ANALYSIS_COMPARE_H
#define PS_ANALYSIS_COMPARE_H

#include <stdbool.h>

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

/* Finds the nearest latents of B for each of A. match's arrays are taken from the arena and live as
 * long as it does; the rest of ps_match_bytes is given back. PS_EINPUT: the SAEs differ in width,
 * one has no latents, or a row is not finite. */
size_t ps_match_bytes(size_t f_a, size_t f_b, size_t d, int threads);
int ps_match_decoders(const ps_sae *a, const ps_sae *b, const ps_context *context, ps_arena *arena,
		      ps_match *match) PS_MUST_USE;

/* Share of A's latents that survive at tau. alive (F_a): only latents with alive[i] count; NULL:
 * all. NaN where none counts. */
double ps_match_survival(const ps_match *match, double tau, const uint8_t *alive);

/* The whole matching of A's latents, each array (F_a). */
typedef struct ps_matching {
	uint32_t *nearest; /* argmax_j C[i, j] */
	float *cosine;     /* its cosine */
	/* In the assignment behind hungarian_cosine. PS_NO_PARTNER and NaN: none is left. */
	uint32_t *partner;
	float *partner_cosine;
	uint8_t *mutual; /* i is also the nearest of its nearest */
} ps_matching;

#define PS_NO_PARTNER UINT32_MAX

/* Takes the arrays of a matching; NULL counts their bytes. */
size_t ps_matching_lay_out(ps_matching *matching, size_t f_a, ps_arena *arena);

typedef struct ps_compare_options {
	double tau;
	const uint8_t *alive;  /* (F_a): latents of A alive in training; NULL: unknown */
	uint64_t null_seed;    /* of the random rows behind mmcs_null */
	bool pw_mcc;           /* it is wanted: an assignment more */
	ps_matching *matching; /* its arrays are filled; NULL: it is not wanted */
} ps_compare_options;

typedef struct ps_comparison {
	double mnn_survival;
	double mnn_survival_alive; /* NaN where it is not known which latents were alive, or none */
	double mmcs, mmcs_null, hungarian_cosine, shared_fraction;
	double pw_mcc; /* NaN unless it is wanted */
} ps_comparison;

/* All measures at once. Takes ps_compare_bytes from the arena and gives them back; F_a x F_b floats
 * are among them. Errors as ps_match_decoders. */
size_t ps_compare_bytes(size_t f_a, size_t f_b, size_t d, int threads);
int ps_compare_saes(const ps_sae *a, const ps_sae *b, const ps_compare_options *options,
		    const ps_context *context, ps_arena *arena, ps_comparison *out) PS_MUST_USE;

#endif
