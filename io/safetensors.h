/* io/safetensors.h: reads one safetensors file: the header is checked in full, the data mapped
 * read-only.
 *
 * Layout: u64 little-endian header length n, n bytes of JSON, data.
 * Refused with PS_EINPUT, naming file, tensor and offset:
 * - a length that wraps or passes the end of the file, a header over 100 MB;
 * - invalid or too deep JSON, duplicate keys;
 * - unknown dtypes, shape products that overflow, offsets that do not match dtype and shape;
 * - tensors that overlap or leave a hole, truncated data. */
#ifndef PS_IO_SAFETENSORS_H
#define PS_IO_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#include "io/tensor_file.h"

/* A file of this format: names, shapes and places of its tensors, the mapping, the metadata. */
typedef ps_tensor_file ps_safetensors;

/* Opens, checks and maps a file. It is closed again on failure. */
int ps_safetensors_open(ps_safetensors *file, const ps_sys *sys, const char *path,
			ps_diag *diag) PS_MUST_USE;
/* As ps_tensor_file_close. */
static inline void ps_safetensors_close(ps_safetensors *file)
{
	ps_tensor_file_close(file);
}

/* As ps_tensor_file_find. */
static inline const ps_tensor_info *ps_safetensors_find(const ps_safetensors *file,
							const char *name)
{
	return ps_tensor_file_find(file, name);
}

/* The tensor of that name, checked against dtype and shape (rank). A 0 in want_shape allows any
 * size; want_shape NULL allows any shape. PS_EINPUT naming file and tensor. */
int ps_safetensors_expect(const ps_safetensors *file, const char *name, int dtype, int rank,
			  const uint64_t *want_shape, const ps_tensor_info **out,
			  ps_diag *diag) PS_MUST_USE;
/* As ps_tensor_file_data. */
static inline const void *ps_safetensors_data(const ps_safetensors *file,
					      const ps_tensor_info *tensor)
{
	return ps_tensor_file_data(file, tensor);
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
