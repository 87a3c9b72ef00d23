/* tools/shard_stats.h: numbers that tell at a glance whether a file holds what it should.
 *
 *   activations  rows, windows (different window ids); of up to 1,024 rows, evenly spread:
 *                sampled_rows, mean_row_norm, non_finite (values)
 *   mask         sparsity, weights, dropped; and the sparsity of each tensor
 *   tokens       windows, window, min_id, max_id
 * The names and shapes of the tensors decide which of them a file is. So files of other tools are
 * counted too. */
#ifndef PS_TOOLS_SHARD_STATS_H
#define PS_TOOLS_SHARD_STATS_H

#include "io/safetensors.h"

/* A new object, empty if there is nothing to count. tensors: the report's list of tensors, objects
 * with "name"; the sparsities of a mask's tensors are added there. NULL: no memory. */
json_t *ps_shard_stats(const ps_safetensors *file, json_t *tensors);

#endif
