/* tools/cmd/transfer_latents.h: where and how strongly each latent of one SAE fires on the
 * rows of two models.
 *
 *   rows_dense, rows_pruned  I64 [F]  rows on which the latent fires, of each model
 *   rows_both                I64 [F]  rows on which it fires on both
 *   sum_dense, sum_pruned    F64 [F]  its activations, summed over the rows
 * So the latent's own Jaccard index is rows_both / (rows_dense + rows_pruned - rows_both).
 *
 * The rows are read once, in the order of the list, a batch at a time: memory does not grow with
 * the cache, and the sums have the same bits for any number of threads. */
#ifndef PS_TOOLS_CMD_TRANSFER_LATENTS_H
#define PS_TOOLS_CMD_TRANSFER_LATENTS_H

#include "core/base/rows.h"
#include "sae/sae.h"

/* Two caches of the same tokens: their rows have the SAE's width, and their numbers are the
 * same. */
typedef struct ps_transfer_sides {
	const ps_row_source *dense, *pruned;
	const ps_row_list *rows; /* of either */
} ps_transfer_sides;

typedef struct ps_transfer_latents {
	uint64_t *rows_dense, *rows_pruned, *rows_both; /* (F) */
	double *sum_dense, *sum_pruned;                 /* (F) */
} ps_transfer_latents;

/* Arena bytes of a count; shape: the SAE, with or without its weights. */
size_t ps_transfer_latents_bytes(const ps_sae *shape, int threads);
/* out's arrays are taken from the arena and stay valid with it. */
int ps_transfer_latents_count(const ps_sae *sae, const ps_transfer_sides *sides,
			      const ps_context *context, ps_arena *arena,
			      ps_transfer_latents *out) PS_MUST_USE;

#endif
