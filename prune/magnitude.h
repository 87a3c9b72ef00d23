/* prune/magnitude.h: masks from |W| alone.
 *
 * MATRIX (default): one threshold per matrix. ROW: per output row. GLOBAL: one threshold over all projections,
 * with the token embedding in the pool when pool_embedding is set (counted, never zeroed): the protocol of
 * arXiv 2603.25325. Thresholds come from exact histograms of the f32 bit patterns of |w|: two counting passes
 * over the mapped weights and one that writes the masks; memory independent of the model but for one mask. */
#ifndef PS_PRUNE_MAGNITUDE_H
#define PS_PRUNE_MAGNITUDE_H

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/progress.h"
#include "core/model/weights.h"

typedef enum ps_scope { PS_SCOPE_ROW, PS_SCOPE_MATRIX, PS_SCOPE_GLOBAL } ps_scope;

typedef struct ps_prune_options {
	double sparsity; /* in [0, 1) */
	unsigned n, m;   /* N:M when m > 0: sparsity and scope are then ignored */
	ps_scope scope;
	bool pool_embedding; /* GLOBAL only */
} ps_prune_options;

/* Where finished masks go, in order layer 0 q, k, v, o, gate, up, down, layer 1 q, ...: bits is borrowed during
 * the call; dropped = number of cleared bits. */
typedef int (*ps_mask_sink)(void *context, int layer, ps_projection projection,
			    const ps_bitmap *mask, uint64_t dropped);

/* Random access to dense weights (the checkpoint's mapping; tests use memory). */
typedef struct ps_weight_lookup {
	void *self;
	int (*projection)(void *self, int layer, ps_projection projection, ps_weight *out,
			  ps_diag *diag);
	int (*embedding)(void *self, ps_weight *out, ps_diag *diag);
} ps_weight_lookup;

size_t ps_magnitude_bytes(const ps_model_config *config, int threads);
int ps_magnitude_prune(const ps_model_config *config, const ps_weight_lookup *weights,
		       const ps_prune_options *options, const ps_context *context, ps_arena *arena,
		       ps_mask_sink sink, void *sink_context) PS_MUST_USE;

#endif
