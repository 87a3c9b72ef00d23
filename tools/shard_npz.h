/* tools/shard_npz.h: what a NumPy archive (npz) holds, as shardinfo reports it: kind "npz", bytes,
 * and an entry of `tensors` for each array. */
#ifndef PS_TOOLS_SHARD_NPZ_H
#define PS_TOOLS_SHARD_NPZ_H

#include <stdbool.h>

#include "core/base/error.h"
#include "core/base/json.h"

/* Adds it to the entry. verify: all arrays are read, and their checksums (CRC-32) compared.
 * Without it only the archive's directory and the arrays' headers are read. Errors: those of
 * io/npz.h. */
int ps_shard_npz(json_t *entry, const char *path, bool verify, ps_diag *diag) PS_MUST_USE;

#endif
