/* sae/branch.h: one sparse reconstruction of a batch and its share of the gradient.
 *
 *   error[r] = sign * target[r] + sum_i f[r, i] dec[index[r, i]],   loss[r] = |error[r]|^2
 *   gradient of f[r, i]: error[r] . dec[index[r, i]]  (all gradients up to the factor `scale`, applied at the sort)
 *   gradient of dec[j]:  scale sum_r f[r, j] error[r];   of z[r, j]: scale df[r, j];   of enc[j]: sum_r dz[r, j] x[r]
 * Nothing of size batch x latents exists; each latent's sums run over its rows in ascending order. */
#ifndef PS_SAE_BRANCH_H
#define PS_SAE_BRANCH_H

#include "sae/sae.h"
#include "sae/sparse.h"

typedef struct ps_branch {
	const ps_context *context;
	ps_codes codes;
	float *error; /* (rows, D) */
	float *df;    /* one per entry of codes */
	double *loss; /* (rows) */
	ps_by_latent lists;
	float scale; /* of the lists' values and gradients */
} ps_branch;

/* Lists the buffers of a branch over up to `rows` rows. sae gives d_in, d_sae and, as topk's k, the
 * most latents that a row lists. The layout's context is borrowed. */
void ps_branch_lay_out(ps_sae_layout *layout, ps_branch *branch, const ps_sae *sae, size_t rows);

/* From branch->codes, whose indices are rows of dec (F, D): error, loss and the lists by latent. target (rows, D). */
void ps_branch_backward(ps_branch *branch, const float *dec, size_t width, const float *target,
			float sign, float scale);

/* A strip of columns of x and of a branch's error, (rows, D) each. */
typedef struct ps_strip {
	size_t first, columns;       /* of the D columns */
	const float *x, *error;      /* row 0's first column of the strip */
	size_t x_width, error_width; /* floats from one row to the next */
} ps_strip;

/* Adds the strip's columns of latent j's gradients to enc and dec, (columns) each. */
void ps_branch_add_gradient(const ps_branch *branch, size_t latent, const ps_strip *strip,
			    float *enc, float *dec);

/* The gradient of dec[j] along dec[j]: sum_r f[r, j] df[r, j], while the lists hold df. */
double ps_branch_parallel(const ps_branch *branch, size_t latent);

/* The gradient of latent j's encoder bias. */
float ps_branch_bias_gradient(const ps_branch *branch, size_t latent);

/* Rows on which latent j is active. */
static inline size_t ps_branch_active(const ps_branch *branch, size_t latent)
{
	return branch->lists.start[latent + 1] - branch->lists.start[latent];
}

/* Sum of loss over the rows. */
double ps_branch_loss(const ps_branch *branch);

#endif
