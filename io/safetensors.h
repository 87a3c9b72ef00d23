/* io/safetensors.h: reads one safetensors file: the header is checked in full, the data mapped
 * read-only.
 *
 * Layout: u64 little-endian header length n, n bytes of JSON, data.
 * Refused with PS_EINPUT, naming file, tensor and offset:
 * - a length that wraps or passes the end of the file, a header over 100 MB;
 * - invalid or too deep JSON, duplicate keys;
 * - unknown dtypes, shape products that overflow, offsets that do not match dtype and shape;
 * - tensors that overlap or leave a hole, truncated data.
 *
 * A file that changes while it is mapped is found by io/map_guard.h. */
#ifndef PS_IO_SAFETENSORS_H
#define PS_IO_SAFETENSORS_H

#include <stdbool.h>
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
	uint64_t shape[PS_RANK_MAX];
	uint64_t offset, bytes; /* offset: from the start of the file */
} ps_tensor_info;

/* One that is all zero or {.fd = -1} is closed; closing it again does nothing. */
typedef struct ps_safetensors {
	const ps_sys *sys;
	char *path;
	int fd;
	uint64_t file_bytes, data_offset; /* data_offset: 8 + n */
	const char *map;                  /* the whole file, read-only, starts on a page */
	json_t *header;                   /* owns the names of the tensors */
	json_t *metadata; /* the prunescope object parsed out of __metadata__; NULL: none */
	size_t count;
	ps_tensor_info *tensors; /* (count), by ascending offset */
} ps_safetensors;

/* Opens, checks and maps a file. It is closed again on failure. */
int ps_safetensors_open(ps_safetensors *file, const ps_sys *sys, const char *path,
			ps_diag *diag) PS_MUST_USE;
/* Unmaps and closes the file, and frees the header. */
void ps_safetensors_close(ps_safetensors *file);

/* The tensor of that name. NULL: there is none. */
const ps_tensor_info *ps_safetensors_find(const ps_safetensors *file, const char *name);

/* The tensor of that name, checked against dtype and shape (rank). A 0 in want_shape allows any
 * size; want_shape NULL allows any shape. PS_EINPUT naming file and tensor. */
int ps_safetensors_expect(const ps_safetensors *file, const char *name, int dtype, int rank,
			  const uint64_t *want_shape, const ps_tensor_info **out,
			  ps_diag *diag) PS_MUST_USE;
/* The same check of the tensor `name` of any file at path. info NULL: there is none. */
int ps_tensor_check(const char *path, const ps_tensor_info *info, const char *name, int dtype,
		    int rank, const uint64_t *want_shape, ps_diag *diag) PS_MUST_USE;

/* The tensor's bytes in the mapping. They may have any alignment. */
static inline const void *ps_safetensors_data(const ps_safetensors *file,
					      const ps_tensor_info *tensor)
{
	return file->map + tensor->offset;
}

/* Told of each block that differs from its checksum. block: its index in the data; -1: the header.
 * offset: in the file. */
typedef void (*ps_verify_fn)(void *context, const char *path, long block, uint64_t offset,
			     const char *what);
/* Reads the whole file and compares it with the checksums that our writer recorded. Calls bad for
 * each block, or header, that differs, and for a file of ours that has lost its checksums.
 * *verified is false if the file is not ours: it has no checksums. Returns 0 once everything is
 * checked, whatever was found. (io/checksums.c; io/verified_file.h turns what is bad into an
 * error.) */
int ps_safetensors_verify(const ps_safetensors *file, ps_verify_fn bad, void *context,
			  bool *verified, ps_diag *diag) PS_MUST_USE;

#endif
