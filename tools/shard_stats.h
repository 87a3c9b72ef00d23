/* tools/shard_stats.h: numbers that tell at a glance whether a file holds what it should.
 *
 *   activations  rows, windows (different window ids), mean_row_norm and non-finite values of up to 1,024 rows
 *                evenly spread
 *   mask         sparsity, weights, dropped; and each tensor's sparsity
 *   tokens       windows, window, min_id, max_id
 * Decided by the tensors' names and shapes, so that other tools' files are counted too. */
#ifndef PS_TOOLS_SHARD_STATS_H
#define PS_TOOLS_SHARD_STATS_H

#include "io/safetensors.h"

/* A new object, empty where there is nothing to count. tensors: the report's list (of objects with "name"), to
 * which a mask's sparsities are added. NULL: no memory. */
json_t *ps_shard_stats(const ps_safetensors *file, json_t *tensors);

#endif
