/* io/shard_index.h: the safetensors files of a checkpoint folder and every tensor in them.
 *
 * model.safetensors when there is one, else the files that model.safetensors.index.json names. Refused
 * (PS_EINPUT): file names with a path in them, a tensor that the index places in a shard that lacks it, and
 * a tensor that stands in two shards. The files stay open and mapped until the set is closed. */
#ifndef PS_IO_SHARD_INDEX_H
#define PS_IO_SHARD_INDEX_H

#include "io/safetensors.h"

typedef struct ps_located {
	const ps_safetensors *file;
	const ps_tensor_info *info;
} ps_located;

typedef struct ps_shard_set {
	size_t shard_count, tensor_count;
	ps_safetensors *shards; /* by file name */
	ps_located *tensors;    /* by name */
} ps_shard_set;

int ps_shard_set_open(ps_shard_set *set, const ps_sys *sys, const char *folder,
		      ps_diag *diag) PS_MUST_USE;
void ps_shard_set_close(ps_shard_set *set); /* of a zeroed set: nothing */

/* NULL when there is none of that name. */
const ps_located *ps_shard_set_find(const ps_shard_set *set, const char *name);

/* Name of the tensor that holds a file's byte, "" when it lies in none. */
const char *ps_shard_tensor_at(const ps_safetensors *file, uint64_t offset);

#endif
