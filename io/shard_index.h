/* io/shard_index.h: the files of a checkpoint, and every tensor in them.
 *
 * Of a folder the files are model.safetensors if it exists, else those that
 * model.safetensors.index.json names. Refused (PS_EINPUT): file names with a path in them, a tensor
 * that the index places in a shard that lacks it, and a tensor that is in two shards. The files
 * stay open and mapped until the set is closed. */
#ifndef PS_IO_SHARD_INDEX_H
#define PS_IO_SHARD_INDEX_H

#include <stdbool.h>

#include "io/safetensors.h"

/* A tensor and the file that it is in, and the form in which that stores it (ps_weight of
 * core/model/weights.h). */
typedef struct ps_located {
	const ps_tensor_file *file;
	const ps_tensor_info *info;
	size_t paired_rows;
	bool plus_one;
} ps_located;

typedef struct ps_shard_set {
	size_t shard_count, tensor_count;
	ps_tensor_file *shards; /* (shard_count), sorted by file name */
	ps_located *tensors;    /* (tensor_count), sorted by name */
} ps_shard_set;

/* Opens all files of the folder. */
int ps_shard_set_open(ps_shard_set *set, const ps_sys *sys, const char *folder,
		      ps_diag *diag) PS_MUST_USE;
/* Takes over an open file as the only one, and leaves *file closed. It is closed on failure. */
int ps_shard_set_take(ps_shard_set *set, ps_tensor_file *file, ps_diag *diag) PS_MUST_USE;
/* Closes the files. A zeroed set is allowed. */
void ps_shard_set_close(ps_shard_set *set);

/* The tensor of that name. NULL: there is none. */
const ps_located *ps_shard_set_find(const ps_shard_set *set, const char *name);

/* The name of the tensor that holds the byte at an offset of a file. "": none does. */
const char *ps_shard_tensor_at(const ps_tensor_file *file, uint64_t offset);

#endif
