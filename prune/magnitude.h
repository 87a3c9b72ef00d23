/* prune/magnitude.h: masks from |W| alone.
 *
 * ROW: the lowest weights of each output row. MATRIX: one threshold per matrix. GLOBAL: one
 * threshold over all projections, and over the token embedding too if pool_embedding is set. That
 * is the protocol of arXiv 2603.25325; the embedding is counted and never zeroed.
 *
 * Thresholds come from exact histograms of the f32 bit patterns of |w| (prune/histogram.h). They
 * cost two counting passes over the mapped weights, of bf16 weights one; another pass makes the
 * masks. The memory does not grow with the model, except for the bitmaps of one projection. */
#ifndef PS_PRUNE_MAGNITUDE_H
#define PS_PRUNE_MAGNITUDE_H

#include "prune/pruning.h"

/* Arena bytes of ps_magnitude_prune for a sweep of so many sparsities. */
size_t ps_magnitude_bytes(const ps_model_config *config, int threads, size_t count);

/* Hands the masks of all projections to the sinks of the sweep. The arena is rewound at the end.
 * Errors: PS_EUSAGE for options out of range, PS_EINPUT for a weight that is not finite or for
 * columns that M does not divide, PS_EINTERRUPTED, and what lookup and sink return. */
int ps_magnitude_prune(const ps_model_config *config, const ps_weight_lookup *weights,
		       const ps_prune_options *options, const ps_prune_sweep *sweep,
		       const ps_context *context, ps_arena *arena) PS_MUST_USE;

#endif
