/* prune/wanda.h: Wanda (Sun et al., arXiv 2306.11695).
 *
 *   score[n, k] = |W[n, k]| * sqrt(mean over t of x[t, k]^2)
 *
 * x (T, K) is the input of the projection over the calibration tokens. The squares are summed in
 * f64, tokens in order. Scopes: ROW (as in the paper) and MATRIX.
 *
 * There are two ways of calibration:
 * - SEQUENTIAL (as in the paper and in locuslab/wanda): layer by layer. The statistics of a layer
 *   come from the outputs of the pruned layers below it. As in locuslab/wanda, sums are divided by
 *   the number of windows, not of tokens. This can only change the order of scores that differ by
 *   less than their rounding.
 * - DENSE: the statistics of the dense model, means over tokens. They are collected in one pass
 *   (ps_wanda_calibrate), or were read from a file (io/stats_file.h). */
#ifndef PS_PRUNE_WANDA_H
#define PS_PRUNE_WANDA_H

#include "core/model/forward.h"
#include "prune/pruning.h"

/* Means of x^2 for every column of every projection's input. Layer l of input i begins at
 * mean[i][l * cols[i]]. */
typedef struct ps_wanda_stats {
	size_t layers;           /* L */
	double *mean[PS_INPUTS]; /* (L, cols) */
	size_t cols[PS_INPUTS];  /* ATTENTION D, O heads * head_width, MLP D, DOWN mlp_width */
	uint64_t tokens;
} ps_wanda_stats;

/* Arena bytes of the statistics of a model. */
size_t ps_wanda_stats_bytes(const ps_model_config *config);
/* Takes statistics from the arena and zeroes them. */
void ps_wanda_stats_create(ps_wanda_stats *stats, const ps_model_config *config, ps_arena *arena);

/* What a pass of the calibration tokens through the model needs. */
typedef struct ps_wanda_pass {
	ps_forward *forward;
	const ps_weight_source *source;
	const ps_windows *windows; /* all rows wanted */
	float *hidden;             /* (T, D) scratch, for all windows; of a sweep: see below */
} ps_wanda_pass;

/* Collects the statistics of the dense model in one pass. PS_EINPUT if there are no tokens. */
int ps_wanda_calibrate(const ps_wanda_pass *pass, const ps_context *context,
		       ps_wanda_stats *stats) PS_MUST_USE;

/* Arena bytes of either of the two functions below, for a sweep of so many sparsities. Both rewind
 * the arena at the end. */
size_t ps_wanda_bytes(const ps_model_config *config, int threads, size_t count);

/* Hands the masks to the sinks of the sweep, from given statistics. Errors: as ps_magnitude_prune,
 * and PS_EINPUT for statistics of another model or that are not finite. */
int ps_wanda_prune_dense(const ps_model_config *config, const ps_weight_lookup *weights,
			 const ps_wanda_stats *stats, const ps_prune_options *options,
			 const ps_prune_sweep *sweep, const ps_context *context,
			 ps_arena *arena) PS_MUST_USE;

/* Collects statistics and hands masks to the sinks, layer by layer. Errors: the same.
 *
 * The pruned models of a sweep have hidden states of their own: pass->hidden is (count, T, D). They
 * go through the layers side by side. A layer's weights are read once, and packed once to be
 * observed; the first layer, whose inputs are the same for all, is observed once. */
int ps_wanda_prune_sequential(const ps_wanda_pass *pass, const ps_prune_options *options,
			      const ps_prune_sweep *sweep, const ps_context *context,
			      ps_arena *arena) PS_MUST_USE;

#endif
