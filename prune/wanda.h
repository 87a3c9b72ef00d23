/* prune/wanda.h: Wanda (Sun et al., arXiv 2306.11695): score[n, k] = |W[n, k]| * sqrt(mean_t x[t, k]^2).
 *
 * x: the projection's input over the calibration tokens. Means are summed in double over tokens in order.
 * Scopes ROW (canonical) and MATRIX.
 * Calibration SEQUENTIAL (canonical, locuslab/wanda): layer by layer, each layer's statistics from the outputs of
 * the already pruned layers below; sums are divided by the number of windows, as there, which can only change the
 * order of scores closer than their rounding. DENSE: statistics of the dense model, means over tokens, collected in
 * one pass (ps_wanda_calibrate) or read from a file. */
#ifndef PS_PRUNE_WANDA_H
#define PS_PRUNE_WANDA_H

#include "core/model/forward.h"
#include "prune/magnitude.h"

/* mean of x^2 per input column of every projection: layer-major, mean[layer][input] (cols of that input). */
typedef struct ps_wanda_stats {
	size_t layers;
	double *mean[PS_INPUTS]; /* (L, cols): ATTENTION D, O H*head_width, MLP D, DOWN I */
	size_t cols[PS_INPUTS];
	uint64_t tokens;
} ps_wanda_stats;

size_t ps_wanda_stats_bytes(const ps_model_config *config);
/* Zeroed statistics from the arena. */
int ps_wanda_stats_create(ps_wanda_stats *stats, const ps_model_config *config, ps_arena *arena,
			  ps_diag *diag) PS_MUST_USE;

/* One dense pass over the windows; hidden: (T, D) scratch for all of them. */
int ps_wanda_calibrate(ps_forward *forward, const ps_weight_source *source,
		       const ps_windows *windows, float *hidden, const ps_context *context,
		       ps_wanda_stats *stats) PS_MUST_USE;

size_t ps_wanda_bytes(const ps_model_config *config, int threads);

/* Masks from given statistics (dense calibration). */
int ps_wanda_prune_dense(const ps_model_config *config, const ps_weight_lookup *weights,
			 const ps_wanda_stats *stats, const ps_prune_options *options,
			 const ps_context *context, ps_arena *arena, ps_mask_sink sink,
			 void *sink_context) PS_MUST_USE;

/* Sequential: statistics and masks layer by layer; hidden: (T, D) for all windows. */
int ps_wanda_prune_sequential(ps_forward *forward, const ps_weight_source *source,
			      const ps_windows *windows, float *hidden,
			      const ps_prune_options *options, const ps_context *context,
			      ps_arena *arena, ps_mask_sink sink, void *sink_context) PS_MUST_USE;

#endif
