/* sae/evaluate.h: how well an SAE reconstructs rows (docs/DEFINITIONS.md says where each measure is from).
 *
 *   fvu = sum |x - x_hat|^2 / sum |x - mean x|^2 over the rows;  explained_variance = 1 - fvu
 *   explained_variance_legacy = mean over rows of 1 - |x - x_hat|^2 / |x - mean x|^2
 *   explained_variance_centred = 1 - sum |e - mean e|^2 / sum |x - mean x|^2, e = x - x_hat
 *   l0 = mean number of non-zero latents;  dead_fraction = latents that never fire on those rows
 *   cosine = mean of cos(x, x_hat);  norm_ratio = mean of |x_hat| / |x|
 *   relative_bias = sum |x_hat|^2 / sum x . x_hat
 *   density[b] = latents that fire on a share of the rows in [10^((b - 12) / 2), 10^((b - 11) / 2)); the first bin also
 *   holds rarer ones, the last those that fire on every row, none those that never fire
 * Sums in double, rows in order; columns are measured from the first row, so that a large common mean costs no
 * precision: the same bits for any threads and any cut into calls. */
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

/* Rows given one call after the other. */
typedef struct ps_evaluator ps_evaluator;

size_t ps_evaluator_bytes(const ps_sae *sae, int threads, size_t max_rows);
/* mean (D): of the rows that will come, or NULL: not known. */
int ps_evaluator_create(ps_evaluator **evaluator, const ps_sae *sae, const ps_context *context,
			size_t max_rows, const double *mean, ps_arena *arena) PS_MUST_USE;
/* Takes x (rows, D), rows <= max_rows, into the sums. x_hat (rows, D): valid until the next call; NULL: not wanted.
 * PS_EINPUT when values are not finite. */
int ps_evaluator_add(ps_evaluator *evaluator, const float *x, size_t rows,
		     const float **x_hat) PS_MUST_USE;
/* firing (F) or NULL: number of rows on which each latent fires. fvu is infinite where the rows do not vary. */
void ps_evaluator_conclude(const ps_evaluator *evaluator, ps_evaluation *out, uint64_t *firing);

size_t ps_evaluate_bytes(const ps_sae *sae, int threads);
/* All rows of a list, read twice: for their mean, then for the rest. firing as above.
 * Takes ps_evaluate_bytes from the arena and gives them back. */
int ps_evaluate_rows(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows,
		     const ps_context *context, ps_arena *arena, ps_evaluation *out,
		     uint64_t *firing) PS_MUST_USE;

#endif
