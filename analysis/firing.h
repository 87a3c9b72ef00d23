/* analysis/firing.h: on how many rows of each cluster a latent fires.
 *
 *   counts[c, j] = number of rows of cluster c on which latent j is active
 *   total[j] = sum_c counts[c, j]
 *   activation[j], peak[j] = sum and maximum of latent j's activations on these rows */
#ifndef PS_ANALYSIS_FIRING_H
#define PS_ANALYSIS_FIRING_H

#include "analysis/clusters.h"
#include "core/base/rows.h"
#include "sae/sae.h"

typedef struct ps_firing {
	uint32_t *counts;         /* (C, F) */
	uint64_t *total;          /* (F) */
	double *activation;       /* (F); NULL where the counts were not made here */
	double *peak;             /* (F): 0 where the latent never fires; as activation */
	size_t clusters, latents; /* C, F */
	uint64_t rows;
} ps_firing;

/* Encodes the rows of a list and counts. clusters are of the same list. out's arrays are taken from
 * the arena and live as long as it does; the rest of ps_firing_bytes is given back. PS_EINPUT: the
 * rows have another width than the SAE, or clusters are of another list. PS_EINTERRUPTED: between
 * batches. */
size_t ps_firing_bytes(const ps_sae *sae, size_t clusters, int threads);
int ps_firing_count(const ps_sae *sae, const ps_row_source *source, const ps_row_list *rows,
		    const ps_clusters *clusters, const ps_context *context, ps_arena *arena,
		    ps_firing *out) PS_MUST_USE;

#endif
