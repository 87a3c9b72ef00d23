/* analysis/transfer.h (RQ3): does the dense model's SAE still work on the pruned model's activations?
 *
 * The frozen SAE encodes both models' rows x_d, x_p of the same tokens; A_d, A_p: the latents active on them.
 *   jaccard = mean over rows of |A_d n A_p| / |A_d u A_p|, 1 where both are empty
 *   fvu = sum |x - x_hat|^2 / sum |x - mean x|^2, mean x over that model's own rows
 *   l0 = mean over rows of |A|;   cosine = mean over rows of cos(x_d, x_p), 0 where either is zero
 * Intervals: cluster bootstrap over windows, the mean row held fixed; changes (pruned minus dense) take both
 * models' figures from the same resampled windows.
 * Rows: f32 (N, D) from two sources over identical tokens, each read twice, in the list's order. Special tokens
 * are the caller's to leave out of the list. Sums in f64, rows in order: same bits for any number of threads.
 * Source: arXiv 2603.25325, fixed-dictionary evaluation; Jaccard over rows is our reading of it. */
#ifndef PS_ANALYSIS_TRANSFER_H
#define PS_ANALYSIS_TRANSFER_H

#include "analysis/clusters.h"
#include "analysis/statistics.h"
#include "core/base/rows.h"
#include "sae/sae.h"

typedef struct ps_transfer {
	uint64_t rows;
	size_t clusters;
	ps_interval jaccard, cosine;
	ps_interval fvu_dense, fvu_pruned, fvu_change;
	ps_interval l0_dense, l0_pruned, l0_change;
} ps_transfer;

size_t ps_transfer_bytes(const ps_sae *sae, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads);

/* clusters: of the rows of the list (ps_clusters_of_windows). PS_EINPUT: widths, row counts or token ids of the two
 * sources differ, or one does not say its token ids. */
int ps_transfer_run(const ps_sae *sae, const ps_row_source *dense, const ps_row_source *pruned,
		    const ps_row_list *rows, const ps_clusters *clusters,
		    const ps_bootstrap *bootstrap, const ps_context *context, ps_arena *arena,
		    ps_transfer *out) PS_MUST_USE;

#endif
