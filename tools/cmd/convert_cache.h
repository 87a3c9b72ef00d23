/* tools/cmd/convert_cache.h: `convert` of activations to a cache of ours.
 *
 * Read is whatever `train` takes as a cache (io/cache_store.h): a .safetensors or .npy file, a
 * folder of safetensors files, F32, BF16 or F16. BF16 stays BF16, F16 becomes F32, which is exact.
 * Token ids, positions and windows are kept where every file has them. A cache that says its model
 * is ours already: PS_EUSAGE. */
#ifndef PS_TOOLS_CMD_CONVERT_CACHE_H
#define PS_TOOLS_CMD_CONVERT_CACHE_H

#include "tools/cmd/commands.h"

/* Writes the folder args->out, or continues it. result also has: rows, width, shards, dtype. */
int ps_convert_cache(ps_session *session, const ps_convert_args *args, json_t **result) PS_MUST_USE;

#endif
