/* prune/rounding.h: rounding instead of pruning: round to nearest (RTN).
 *
 * For each group of columns of each row it computes the scale of a symmetric rounding:
 *
 *   s = max|w| / m,   m = 2^(bits - 1) - 1   (f32; 0 if all weights of the group are 0)
 *
 * core/model/edit.h says what a scale does to weights, and where the formula comes from. The scales
 * do not depend on the number of threads. */
#ifndef PS_PRUNE_ROUNDING_H
#define PS_PRUNE_ROUNDING_H

#include "prune/pruning.h"

/* Receives the scales of all projections in the order of the model, as ps_mask_sink does masks.
 * scale (rows, ps_rounding_groups) is borrowed during the call. */
typedef struct ps_scale_sink {
	void *self;
	int (*put)(void *self, int layer, ps_projection projection, const float *scale);
} ps_scale_sink;

/* Arena bytes of ps_rounding_scales: the scales of the largest projection. */
size_t ps_rounding_bytes(const ps_model_config *config, const ps_rounding_rule *rule);

/* Hands the scales of all projections to the sink. The arena is rewound at the end. Errors:
 * PS_EUSAGE for bits out of range, PS_EINPUT for a weight that is not finite or so large that its
 * rounded value is not, PS_EINTERRUPTED, and what lookup and sink return. */
int ps_rounding_scales(const ps_model_config *config, const ps_weight_lookup *weights,
		       const ps_rounding_rule *rule, const ps_context *context, ps_arena *arena,
		       const ps_scale_sink *sink) PS_MUST_USE;

#endif
