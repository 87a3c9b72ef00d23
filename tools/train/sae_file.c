#include "tools/train/sae_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io/verified_file.h"

int ps_sae_file_open(ps_sae_file *file, const char *path, ps_diag *diag)
{
	const size_t length = strlen(path);
	int rc;

	*file = (ps_sae_file){.safetensors = {.fd = -1}, .npz = {.fd = -1}};
	file->is_npz = length > 4 && !strcmp(path + length - 4, ".npz");
	rc = file->is_npz ? ps_npz_open(&file->npz, &ps_sys_linux, path, diag)
			  : ps_verified_file_open(&file->safetensors, path, diag);
	if (rc)
		return rc;
	file->path = file->is_npz ? file->npz.path : file->safetensors.path;
	file->map = file->is_npz ? file->npz.map : file->safetensors.map;
	file->bytes = file->is_npz ? file->npz.file_bytes : file->safetensors.file_bytes;
	return 0;
}

void ps_sae_file_close(ps_sae_file *file)
{
	if (file->is_npz)
		ps_npz_close(&file->npz);
	else
		ps_safetensors_close(&file->safetensors);
	*file = (ps_sae_file){.safetensors = {.fd = -1}, .npz = {.fd = -1}};
}

size_t ps_sae_file_count(const ps_sae_file *file)
{
	return file->is_npz ? file->npz.count : file->safetensors.count;
}

const ps_tensor_info *ps_sae_file_tensor(const ps_sae_file *file, size_t index)
{
	return file->is_npz ? &file->npz.arrays[index].info : &file->safetensors.tensors[index];
}

const ps_tensor_info *ps_sae_file_find(const ps_sae_file *file, const char *name)
{
	for (size_t i = 0; i < ps_sae_file_count(file); i++)
		if (!strcmp(ps_sae_file_tensor(file, i)->name, name))
			return ps_sae_file_tensor(file, i);
	return NULL;
}

/* The index of a tensor of an npz. */
static size_t array_of(const ps_sae_file *file, const ps_tensor_info *tensor)
{
	size_t i = 0;

	while (&file->npz.arrays[i].info != tensor)
		i++;
	return i;
}

bool ps_sae_file_is_fortran(const ps_sae_file *file, const ps_tensor_info *tensor)
{
	return file->is_npz && file->npz.arrays[array_of(file, tensor)].fortran_order;
}

int ps_sae_file_expect(const ps_sae_file *file, const char *name, int rank, const uint64_t *shape,
		       const ps_tensor_info **tensor, ps_diag *diag)
{
	const ps_tensor_info *info = ps_sae_file_find(file, name);
	const int dtype = info ? info->dtype : PS_F32;

	if (dtype != PS_F32 && dtype != PS_F64 && dtype != PS_F16 && dtype != PS_BF16)
		return ps_fail(diag, PS_EINPUT,
			       "%s: tensor %s is %s: it must be F32, F64, F16 or BF16", file->path,
			       name, info->dtype_name);
	*tensor = info;
	return ps_tensor_check(file->path, info, name, dtype, rank, shape, diag);
}

int ps_sae_file_begin(ps_sae_file *file, const ps_tensor_info *tensor, ps_diag *diag)
{
	file->current = tensor;
	file->at = 0;
	return file->is_npz ? ps_npz_begin(&file->npz, array_of(file, tensor), diag) : 0;
}

int ps_sae_file_read(ps_sae_file *file, void *out, size_t bytes, ps_diag *diag)
{
	const uint64_t at = file->at;

	file->at += bytes;
	if (file->is_npz)
		return ps_npz_read(&file->npz, out, bytes, diag);
	memcpy(out, file->map + file->current->offset + at, bytes);
	return 0;
}

const char *ps_sae_file_offset(const ps_sae_file *file, const ps_tensor_info *tensor,
			       size_t element, char *text, size_t size)
{
	*text = 0;
	if (!file->is_npz)
		snprintf(text, size, " (offset %" PRIu64 ")",
			 tensor->offset + element * ps_dtype_size((ps_dtype)tensor->dtype));
	return text;
}
