/* prune/zeros.h: how many of a model's weights are 0, in the matrices that pruning looks at: the
 * seven projections of every decoder layer.
 *
 *   share of zeros = zeros / weights
 * +0 and -0 count, whatever the dtype; a weight that is merely small does not. So of a model that
 * was pruned elsewhere this is its sparsity. The embedding, the output head and the norms are left
 * out, as they are from a mask. */
#ifndef PS_PRUNE_ZEROS_H
#define PS_PRUNE_ZEROS_H

#include "core/base/progress.h"
#include "core/model/config.h"
#include "prune/pruning.h"

typedef struct ps_zeros {
	uint64_t zeros[PS_PROJECTIONS], weights[PS_PROJECTIONS]; /* over all layers */
} ps_zeros;

/* PS_EINPUT: a weight is not finite, or cannot be had; PS_EINTERRUPTED: between layers. */
int ps_zeros_count(const ps_model_config *config, const ps_weight_lookup *weights,
		   const ps_context *context, ps_zeros *out) PS_MUST_USE;
/* Zeros over weights of all projections. */
double ps_zeros_share(const ps_zeros *zeros);

#endif
