/* sae/sparse.h: products of a few selected rows of a matrix with a vector; codes sorted by latent.
 *
 * Sums over entries run in the order of the entries. Sums over a row's elements run over fixed
 * lanes. So the bits do not depend on which thread computes them. */
#ifndef PS_SAE_SPARSE_H
#define PS_SAE_SPARSE_H

#include "sae/sae.h"

/* out[d] += sum_i value[i] * matrix[row[i], d] for d < columns. matrix points to the first wanted
 * column of row 0; its rows are `width` floats apart. */
void ps_rows_combine_columns(const float *matrix, size_t width, size_t columns, const uint32_t *row,
			     const float *value, size_t count, float *out);

/* ps_rows_combine_columns over all columns. */
static inline void ps_rows_combine(const float *matrix, size_t width, const uint32_t *row,
				   const float *value, size_t count, float *out)
{
	ps_rows_combine_columns(matrix, width, width, row, value, count, out);
}

/* Columns that a caller may take at a time with ps_rows_combine_columns. The sums stay the same,
 * and the strip that they read of a large matrix stays in a cache. */
#define PS_STRIP ((size_t)96)

/* out[i] = matrix[row[i]] . vector. The sum runs over 32 lanes:
 *   - each sums every 32nd product, in ascending order;
 *   - lanes n and n + 16 are added;
 *   - the products that are left over, fewer than 32, go to these 16 lanes in turn;
 *   - the lanes are added in halves.
 * A product and its addition are one operation where the CPU has that. */
void ps_rows_dot(const float *matrix, size_t width, const uint32_t *row, size_t count,
		 const float *vector, float *out);

/* out[i] += the same product over `columns` columns alone. matrix and vector point to the first of
 * them. */
void ps_rows_add_dot(const float *matrix, size_t width, size_t columns, const uint32_t *row,
		     size_t count, const float *vector, float *out);

/* out[r, i] = matrix[i] . vectors[r], with the bits of ps_rows_dot. matrix (count, width), vectors
 * (rows, width), out (rows, count). */
void ps_all_rows_dot(const float *matrix, size_t width, size_t count, const float *vectors,
		     size_t rows, float *out);

/* sum_i vector[i]^2 in double, over eight lanes. */
double ps_squared_norm(const float *vector, size_t n);

/* |vector| in double, its squares summed one after the other. Saved SAEs depend on this order. */
double ps_norm_in_order(const float *vector, size_t n);

/* The entries of a batch's codes grouped by latent, rows ascending. Latent j's are
 * [start[j], start[j + 1]). */
typedef struct ps_by_latent {
	size_t latents;
	size_t *start;           /* (latents + 1) */
	uint32_t *row;           /* (entries) */
	float *value, *gradient; /* (entries), both multiplied by a scale; gradient may be NULL */
} ps_by_latent;

/* Lists the buffers of a list of up to max_entries entries, with or without gradients. */
void ps_by_latent_lay_out(ps_sae_layout *layout, ps_by_latent *list, size_t latents,
			  size_t max_entries, bool gradients);

/* Sorts codes and gradient, one per entry of codes, by latent. Both are multiplied by scale. For a
 * list without gradients, gradient is NULL. */
void ps_by_latent_fill(ps_by_latent *list, const ps_codes *codes, const float *gradient,
		       float scale);

#endif
