/* analysis/transfer.h (RQ3): does the dense model's SAE still work on the pruned model's
 * activations?
 *
 * The frozen SAE encodes both models' rows x_d, x_p of the same tokens. A_d, A_p: the latents
 * active on them.
 *
 *   jaccard = mean over rows of |A_d n A_p| / |A_d u A_p|; rows where both are empty are left out
 *   jaccard_chance = the same of A_d and the A_p of another row: what two rows of these models
 *             share that are not of the same token. Rows are taken 1,024 at a time; the other row
 *             stands half as many further on, around the end (the last rows: half of what is left).
 *   fvu = sum |x - x_hat|^2 / sum |x - mean x|^2, mean x over the same model's rows
 *   l0 = mean over rows of |A|
 *   cosine = mean over rows of cos(x_d, x_p); 0 where a row is zero
 *
 * Intervals resample windows; the mean row is held fixed. A change (pruned less dense) takes both
 * models' numbers from the same windows.
 *
 * Rows are f32 (N, D) from two sources over identical tokens. A list says which rows count; the
 * caller leaves special tokens out of it. Each source is read twice, in the list's order. Sums are
 * f64, rows in order: same bits for any number of threads. Source: arXiv 2603.25325,
 * fixed-dictionary evaluation; that Jaccard is over rows is our reading of it. */
#ifndef PS_ANALYSIS_TRANSFER_H
#define PS_ANALYSIS_TRANSFER_H

#include "analysis/clusters.h"
#include "analysis/statistics.h"
#include "core/base/rows.h"
#include "sae/sae.h"

typedef struct ps_transfer_input {
	const ps_sae *sae;
	const ps_row_source *dense, *pruned; /* both say their token ids */
	const ps_row_list *rows;             /* of both sources */
	const ps_clusters *clusters;         /* of the list's rows (ps_clusters_of_windows) */
} ps_transfer_input;

typedef struct ps_transfer {
	uint64_t rows;
	size_t clusters;
	uint64_t empty_rows; /* neither side has an active latent: not in jaccard */
	double jaccard_chance;
	ps_interval jaccard, cosine;
	ps_interval fvu_dense, fvu_pruned, fvu_change;
	ps_interval l0_dense, l0_pruned, l0_change;
} ps_transfer;

/* Arena bytes of ps_transfer_run. */
size_t ps_transfer_bytes(const ps_sae *sae, size_t clusters, const ps_bootstrap *bootstrap,
			 int threads);
/* Takes ps_transfer_bytes from the arena and gives them back. PS_EINPUT:
 * - a source has another width than the SAE, or does not say its token ids;
 * - the sources differ in their number of rows or in a row's token id;
 * - the list is empty, goes beyond the sources, or is not the clusters' list.
 * PS_EINTERRUPTED: between batches. */
int ps_transfer_run(const ps_transfer_input *input, const ps_bootstrap *bootstrap,
		    const ps_context *context, ps_arena *arena, ps_transfer *out) PS_MUST_USE;

#endif
