/* sae/branch.h: one sparse reconstruction of a batch, and its share of the gradient.
 *
 *   error[r] = sign * target[r] + sum_i f[r, i] dec[index[r, i]],   loss[r] = |error[r]|^2
 *   gradient of f[r, i]:  df[r, i] = error[r] . dec[index[r, i]]
 *   gradient of dec[j]:   scale sum_r f[r, j] error[r]
 *   gradient of z[r, j]:  dz[r, j] = scale df[r, j]
 *   gradient of enc[j]:   sum_r dz[r, j] x[r]
 * The gradients' factor `scale` is applied when entries are sorted by latent.
 * Nothing of size batch x latents exists. A latent's sums run over its rows in ascending order. */
#ifndef PS_SAE_BRANCH_H
#define PS_SAE_BRANCH_H

#include "sae/sae.h"
#include "sae/sparse.h"

typedef struct ps_branch {
	const ps_context *context;
	ps_codes codes;     /* f */
	float *error;       /* (rows, D) */
	float *df;          /* (entries of codes) */
	double *loss;       /* (rows) */
	ps_by_latent lists; /* values f and gradients df, both times scale */
	float scale;
} ps_branch;

/* Lists the buffers of a branch over up to `rows` rows. sae gives d_in, d_sae and, as topk's k, the
 * most latents that a row lists. The layout's context is borrowed. */
void ps_branch_lay_out(ps_sae_layout *layout, ps_branch *branch, const ps_sae *sae, size_t rows);

/* Computes error, loss and lists from branch->codes, whose indices are rows of dec (F, D).
 * target (rows, D); width: D. */
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

/* The gradient of dec[j] along dec[j], sum_r f[r, j] df[r, j] times scale. The lists must still
 * hold df, as ps_branch_backward leaves it. */
double ps_branch_parallel(const ps_branch *branch, size_t latent);

/* The gradient of latent j's encoder bias: the sum of its gradients in the lists. */
float ps_branch_bias_gradient(const ps_branch *branch, size_t latent);

/* Rows that list latent j. */
static inline size_t ps_branch_active(const ps_branch *branch, size_t latent)
{
	return branch->lists.start[latent + 1] - branch->lists.start[latent];
}

/* The sum of loss over the rows. */
double ps_branch_loss(const ps_branch *branch);

#endif
