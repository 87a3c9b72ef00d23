/* io/tensor_file.h: a file of named tensors, mapped read-only: safetensors (io/safetensors.h) or
 * GGUF (io/gguf.h).
 *
 * The two formats have a reader of the header each, which fills in this struct. Whoever streams
 * weights knows no more than this: names, dtypes, shapes, and the range of bytes of each tensor.
 *
 * A file that changes while it is mapped is found by io/map_guard.h. */
#ifndef PS_IO_TENSOR_FILE_H
#define PS_IO_TENSOR_FILE_H

#include <stdint.h>

#include "core/base/dtype.h"
#include "core/base/error.h"
#include "core/base/json.h"
#include "io/sys.h"

#define PS_RANK_MAX 8

typedef struct ps_tensor_info {
	const char *name;
	int dtype; /* ps_dtype; -1: a valid dtype that this program does not compute with */
	const char *dtype_name;
	int rank;
	uint64_t shape[PS_RANK_MAX]; /* the last dimension is that of a row */
	uint64_t offset, bytes;      /* offset: from the start of the file */
} ps_tensor_info;

/* One that is all zero or {.fd = -1} is closed; closing it again does nothing. */
typedef struct ps_tensor_file {
	const ps_sys *sys;
	char *path;
	int fd;
	uint64_t file_bytes, data_offset; /* data_offset: of the first byte behind the header */
	const char *map;                  /* the whole file, read-only, starts on a page */
	json_t *header;                   /* of safetensors; owns the names of the tensors */
	json_t *metadata; /* the prunescope object parsed out of __metadata__; NULL: none */
	char *names;      /* of GGUF: owns the names of the tensors */
	size_t count;
	ps_tensor_info *tensors; /* (count), by ascending offset */
} ps_tensor_file;

/* Opens a file of any format, without a look at its bytes. PS_EINPUT, PS_EBUDGET; the file is to be
 * closed then, too. */
int ps_tensor_file_begin(ps_tensor_file *file, const ps_sys *sys, const char *path,
			 ps_diag *diag) PS_MUST_USE;
/* Maps the whole file. */
int ps_tensor_file_map(ps_tensor_file *file, ps_diag *diag) PS_MUST_USE;
/* Sorts the tensors by their place, and checks that they follow each other from the first byte of
 * the data to the last, each at the next multiple of alignment. Behind the last one, less than
 * alignment bytes may follow. */
int ps_tensor_file_check_layout(ps_tensor_file *file, uint64_t alignment,
				ps_diag *diag) PS_MUST_USE;
/* Unmaps and closes the file, and frees its tables. */
void ps_tensor_file_close(ps_tensor_file *file);

/* The tensor of that name. NULL: there is none. */
const ps_tensor_info *ps_tensor_file_find(const ps_tensor_file *file, const char *name);

/* Checks the tensor `name` of a file at path against dtype and shape (rank). A 0 in want_shape
 * allows any size; want_shape NULL allows any shape. info NULL: there is none. PS_EINPUT naming
 * file and tensor. */
int ps_tensor_check(const char *path, const ps_tensor_info *info, const char *name, int dtype,
		    int rank, const uint64_t *want_shape, ps_diag *diag) PS_MUST_USE;

/* The tensor's bytes in the mapping. They may have any alignment. */
static inline const void *ps_tensor_file_data(const ps_tensor_file *file,
					      const ps_tensor_info *tensor)
{
	return file->map + tensor->offset;
}

#endif
