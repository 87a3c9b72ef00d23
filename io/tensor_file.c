#include "io/tensor_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "io/file.h"
#include "io/map_guard.h"

int ps_tensor_file_begin(ps_tensor_file *file, const ps_sys *sys, const char *path, ps_diag *diag)
{
	*file = (ps_tensor_file){.sys = sys, .fd = -1, .path = strdup(path)};
	if (!file->path)
		return ps_fail(diag, PS_EBUDGET, "%s: no memory for its name", path);
	file->fd = ps_file_open(sys, path, &file->file_bytes, diag);
	return file->fd < 0 ? file->fd : 0;
}

int ps_tensor_file_map(ps_tensor_file *file, ps_diag *diag)
{
	void *map = mmap(NULL, (size_t)file->file_bytes, PROT_READ, MAP_SHARED, file->fd, 0);

	if (map == MAP_FAILED)
		return ps_fail_input(diag, errno, "%s: cannot be mapped", file->path);
	file->map = map;
	ps_map_guard_add(map, (size_t)file->file_bytes, file->path, file->fd);
	return 0;
}

void ps_tensor_file_close(ps_tensor_file *file)
{
	if (file->map) {
		ps_map_guard_remove(file->map);
		munmap((void *)file->map, (size_t)file->file_bytes);
	}
	if (file->sys && file->fd >= 0)
		(void)file->sys->close(file->fd);
	json_decref(file->header);
	json_decref(file->metadata);
	free(file->names);
	free(file->tensors);
	free(file->path);
	*file = (ps_tensor_file){.fd = -1};
}

static int by_place(const void *left, const void *right)
{
	const ps_tensor_info *a = left, *b = right;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Every tensor lies within the file, so the sum does not overflow. */
static uint64_t padded(uint64_t offset, uint64_t first, uint64_t alignment)
{
	return first + (offset - first + alignment - 1) / alignment * alignment;
}

int ps_tensor_file_check_layout(ps_tensor_file *file, uint64_t alignment, ps_diag *diag)
{
	const uint64_t first = file->data_offset;
	uint64_t at = first;

	qsort(file->tensors, file->count, sizeof *file->tensors, by_place);
	for (size_t i = 0; i < file->count; i++) {
		const ps_tensor_info *info = &file->tensors[i];

		at = padded(at, first, alignment);
		if (info->offset != at)
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s: begins at offset %" PRIu64
				       ", the one before ends at %" PRIu64 ": %s",
				       file->path, info->name, info->offset, at,
				       info->offset < at ? "they overlap" : "a hole");
		at += info->bytes;
	}
	if (file->file_bytes < at || file->file_bytes - at >= alignment)
		return ps_fail(diag, PS_EINPUT,
			       "%s: the tensors end at offset %" PRIu64 ", the file at %" PRIu64,
			       file->path, at, file->file_bytes);
	return 0;
}

const ps_tensor_info *ps_tensor_file_find(const ps_tensor_file *file, const char *name)
{
	for (size_t i = 0; i < file->count; i++)
		if (!strcmp(file->tensors[i].name, name))
			return &file->tensors[i];
	return NULL;
}

int ps_tensor_check(const char *path, const ps_tensor_info *info, const char *name, int dtype,
		    int rank, const uint64_t *want_shape, ps_diag *diag)
{
	if (!info)
		return ps_fail(diag, PS_EINPUT, "%s: has no tensor %s", path, name);
	if (info->dtype != dtype)
		return ps_fail(diag, PS_EINPUT, "%s: tensor %s: is %s, must be %s", path, name,
			       info->dtype_name, ps_dtype_name((ps_dtype)dtype));
	if (info->rank != rank)
		return ps_fail(diag, PS_EINPUT, "%s: tensor %s: has %d dimensions, must have %d",
			       path, name, info->rank, rank);
	for (int i = 0; i < rank; i++)
		if (want_shape && want_shape[i] && want_shape[i] != info->shape[i])
			return ps_fail(diag, PS_EINPUT,
				       "%s: tensor %s: dimension %d is %" PRIu64
				       ", must be %" PRIu64,
				       path, name, i, info->shape[i], want_shape[i]);
	return 0;
}
