/* io/safetensors.h: reading one safetensors file: header checked in full, data mapped read-only.
 *
 * Layout: u64 little-endian header length n, n bytes of JSON, data. Refused (PS_EINPUT, naming file, tensor
 * and offset): a length that wraps or passes the end, a header over 100 MB, invalid or too deep JSON,
 * duplicate keys, unknown dtypes, shape products that overflow, offsets that do not match dtype x shape,
 * overlaps and holes, truncated data. A file truncated while mapped raises SIGBUS: ps_map_guard (below) turns
 * an address into the file's name for the handler. */
#ifndef PS_IO_SAFETENSORS_H
#define PS_IO_SAFETENSORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/dtype.h"
#include "core/base/error.h"
#include "io/sys.h"

#define PS_RANK_MAX 8

typedef struct ps_tensor_info {
	const char *name;
	int dtype; /* ps_dtype, or -1 for a valid safetensors type this program does not compute with */
	const char *dtype_name;
	int rank;
	uint64_t shape[PS_RANK_MAX];
	uint64_t offset, bytes; /* from the start of the file */
} ps_tensor_info;

/* All zero, or {.fd = -1}: closed; closing it again does nothing. */
typedef struct ps_safetensors {
	const ps_sys *sys;
	char *path;
	int fd;
	uint64_t file_bytes, data_offset; /* data_offset: 8 + n */
	const char *map;                  /* the whole file, read-only, page-aligned */
	json_t *header;                   /* owns the names */
	json_t *metadata; /* the prunescope object parsed out of __metadata__, or NULL */
	size_t count;
	ps_tensor_info *tensors; /* by ascending offset */
} ps_safetensors;

int ps_safetensors_open(ps_safetensors *file, const ps_sys *sys, const char *path,
			ps_diag *diag) PS_MUST_USE;
void ps_safetensors_close(ps_safetensors *file);

/* NULL when there is none of that name. */
const ps_tensor_info *ps_safetensors_find(const ps_safetensors *file, const char *name);

/* The tensor, checked against dtype and shape (a 0 in want_shape: any size); PS_EINPUT naming file and tensor. */
int ps_safetensors_expect(const ps_safetensors *file, const char *name, int dtype, int rank,
			  const uint64_t *want_shape, const ps_tensor_info **out,
			  ps_diag *diag) PS_MUST_USE;

static inline const void *ps_safetensors_data(const ps_safetensors *file,
					      const ps_tensor_info *tensor)
{
	return file->map + tensor->offset;
}

/* Checks every checksum our writer recorded: calls bad() for each block or header that does not match, with the
 * tensor-independent block index and byte offset. *verified false when the file carries no checksums; one of
 * ours that has lost them is bad. 0 once everything was checked, whatever was found. (io/checksums.c) */
typedef void (*ps_verify_fn)(void *context, const char *path, long block /* -1: header */,
			     uint64_t offset, const char *what);
int ps_safetensors_verify(const ps_safetensors *file, ps_verify_fn bad, void *context,
			  bool *verified, ps_diag *diag) PS_MUST_USE;

/* Name of the mapped file that address lies in, or NULL. Async-signal-safe. */
const char *ps_map_guard_find(const void *address);
/* Registers and removes a mapping made elsewhere (ps_safetensors_open does its own). path is borrowed. */
void ps_map_guard_add(const void *base, size_t bytes, const char *path);
void ps_map_guard_remove(const void *base);

#endif
