#include "io/npy_file.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/checked.h"
#include "io/npy.h"

static int read_at(const ps_safetensors *file, void *out, size_t bytes, size_t offset,
		   ps_diag *diag)
{
	const int rc = ps_sys_pread_full(file->sys, file->fd, out, bytes, (off_t)offset);

	return rc ? ps_fail_input(diag, -rc, "%s: cannot be read", file->path) : 0;
}

static int read_header(ps_safetensors *file, const char *name, ps_diag *diag)
{
	char text[PS_NPY_HEADER_MAX];
	ps_tensor_info *info = file->tensors;
	bool fortran_order = false;
	size_t bytes = 0;
	int rc = file->file_bytes < PS_NPY_START
			 ? ps_fail(diag, PS_EINPUT, "%s: is too short for an npy file", file->path)
			 : read_at(file, text, PS_NPY_START, 0, diag);

	if (!rc)
		rc = ps_npy_header_bytes((unsigned char *)text, file->path, name, &bytes, diag);
	if (!rc && (bytes < PS_NPY_START || bytes > file->file_bytes))
		rc = ps_fail(diag, PS_EINPUT, "%s: ends within its npy header", file->path);
	if (!rc)
		rc = read_at(file, text, bytes, 0, diag);
	if (!rc)
		rc = ps_npy_parse(text, bytes, file->path, name, info, &fortran_order, diag);
	if (rc)
		return rc;
	if (fortran_order)
		return ps_fail(diag, PS_EINPUT,
			       "%s: is in Fortran order: save numpy.ascontiguousarray of it",
			       file->path);
	if (file->file_bytes - bytes != info->bytes)
		return ps_fail(diag, PS_EINPUT,
			       "%s: has %" PRIu64 " bytes, its npy header says %" PRIu64,
			       file->path, file->file_bytes, bytes + info->bytes);
	info->name = name;
	info->offset = bytes;
	file->data_offset = bytes;
	return 0;
}

int ps_npy_file_open(ps_safetensors *file, const ps_sys *sys, const char *path, const char *name,
		     ps_diag *diag)
{
	int rc = ps_tensor_file_begin(file, sys, path, diag);

	if (!rc) {
		file->tensors = calloc(1, sizeof *file->tensors);
		if (file->tensors)
			file->count = 1;
		else
			rc = ps_fail(diag, PS_EBUDGET, "%s: no memory for its header", path);
	}
	if (!rc)
		rc = read_header(file, name, diag);
	if (!rc)
		rc = ps_tensor_file_map(file, diag);
	if (rc)
		ps_safetensors_close(file);
	return rc;
}
