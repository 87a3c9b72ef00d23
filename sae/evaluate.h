/* sae/evaluate.h: how well an SAE reconstructs rows.
 *
 *   fvu = sum |x - x_hat|^2 / sum |x - mean x|^2 over the rows;  explained_variance = 1 - fvu
 *   l0 = mean number of non-zero latents;  dead_fraction = latents that never fire on those rows
 * Sums in double, rows in order. */
#ifndef PS_SAE_EVALUATE_H
#define PS_SAE_EVALUATE_H

#include "core/rows.h"
#include "sae/sae.h"

typedef struct ps_evaluation {
	uint64_t rows;
	double fvu, explained_variance, l0, dead_fraction, cosine; /* cosine: mean of cos(x, x_hat) */
} ps_evaluation;

size_t ps_evaluate_bytes(const ps_sae *sae, int threads);
/* firing (F) or NULL: number of rows on which each latent fires. fvu is infinite where the rows do not vary.
 * Takes ps_evaluate_bytes from the arena and gives them back. */
int ps_evaluate_rows(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows, const ps_context *context,
		     ps_arena *arena, ps_evaluation *out, uint64_t *firing) PS_MUST_USE;

#endif
