/* sae/evaluate.h: how well an SAE reconstructs rows (sources: docs/DEFINITIONS.md).
 *
 * With e = x - x_hat, over the rows:
 *   fvu = sum |e|^2 / sum |x - mean x|^2;  infinite where the rows do not vary
 *   explained_variance = 1 - fvu
 *   explained_variance_legacy = mean over rows of 1 - |e|^2 / |x - mean x|^2
 *   explained_variance_centred = 1 - sum |e - mean e|^2 / sum |x - mean x|^2
 *   l0 = mean number of latents that are not zero
 *   dead_fraction = share of the latents that fire on none of these rows
 *   cosine = mean of cos(x, x_hat);  norm_ratio = mean of |x_hat| / |x|
 *   relative_bias = sum |x_hat|^2 / sum x . x_hat
 *   density[b] = number of latents that fire on a share of the rows in
 *     [10^((b - 12) / 2), 10^((b - 11) / 2)). Rarer ones are in the first bin, those that fire on
 *     every row in the last, those that never fire in none
 * Sums are in double and take the rows in order. Columns are measured from the first row, so that a
 * large common mean costs no precision. The bits do not depend on threads or on how the rows are
 * cut into calls. */
#ifndef PS_SAE_EVALUATE_H
#define PS_SAE_EVALUATE_H

#include "core/base/rows.h"
#include "sae/sae.h"

enum { PS_DENSITY_BINS = 12 };

typedef struct ps_evaluation {
	uint64_t rows;
	double fvu, explained_variance, explained_variance_centred;
	double explained_variance_legacy; /* NaN where the mean was not known beforehand */
	double l0, dead_fraction, cosine, norm_ratio, relative_bias;
	uint64_t density[PS_DENSITY_BINS];
} ps_evaluation;

/* The lower edge of a bin of density, as log10. */
static inline double ps_density_edge(int bin)
{
	return (bin - PS_DENSITY_BINS) / 2.0;
}

/* Measures rows that come in several calls: create, add ..., conclude. */
typedef struct ps_evaluator ps_evaluator;

/* Arena bytes of an evaluator for calls of up to max_rows rows. */
size_t ps_evaluator_bytes(const ps_sae *sae, int threads, size_t max_rows);
/* Makes an evaluator. sae, context and mean are borrowed. mean (D) is the mean of the rows that
 * will come; NULL where it is not known. PS_EBUDGET. */
int ps_evaluator_create(ps_evaluator **evaluator, const ps_sae *sae, const ps_context *context,
			size_t max_rows, const double *mean, ps_arena *arena) PS_MUST_USE;
/* Adds x (rows, D), rows <= max_rows, to the sums. *x_hat becomes the reconstruction (rows, D),
 * valid until the next call; x_hat may be NULL. PS_EINPUT when rows are not finite; PS_EFAILED when
 * the error overflows. */
int ps_evaluator_add(ps_evaluator *evaluator, const float *x, size_t rows,
		     const float **x_hat) PS_MUST_USE;
/* Computes the measures of all rows so far, at least one. firing (F) gets the number of rows on
 * which each latent fires; it may be NULL. */
void ps_evaluator_conclude(const ps_evaluator *evaluator, ps_evaluation *out, uint64_t *firing);

/* Arena bytes of ps_evaluate_rows. */
size_t ps_evaluate_bytes(const ps_sae *sae, int threads);
/* Measures all rows of a list. Reads them twice: for their mean, then for the measures. firing: as
 * for ps_evaluator_conclude. The bytes from the arena are given back. PS_EINPUT when the widths
 * differ, there are no rows, or values are not finite; PS_EBUDGET; errors of reading;
 * PS_EINTERRUPTED. */
int ps_evaluate_rows(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows,
		     const ps_context *context, ps_arena *arena, ps_evaluation *out,
		     uint64_t *firing) PS_MUST_USE;

#endif
