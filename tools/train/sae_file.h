/* tools/train/sae_file.h: the tensors of an SAE's weights, in a safetensors file or a NumPy archive
 * (npz), read in the order in which they lie there.
 *
 * So one loader (sae_weights.h) serves all formats, and an npz is inflated straight to where its
 * numbers go. */
#ifndef PS_TOOLS_TRAIN_SAE_FILE_H
#define PS_TOOLS_TRAIN_SAE_FILE_H

#include "io/npz.h"
#include "io/safetensors.h"

/* One that is all zero is closed; closing it again does nothing. */
typedef struct ps_sae_file {
	const char *path; /* owned */
	bool is_npz;
	ps_safetensors safetensors; /* one of these two is open */
	ps_npz npz;
	const char *map; /* the whole file */
	uint64_t bytes;
	const ps_tensor_info *current; /* the tensor that is being read */
	uint64_t at;                   /* bytes of it that were read */
} ps_sae_file;

/* Opens an npz if the name ends so, else a safetensors file, whose checksums are compared if it is
 * ours. PS_EINPUT; PS_EBUDGET: no memory. */
int ps_sae_file_open(ps_sae_file *file, const char *path, ps_diag *diag) PS_MUST_USE;
void ps_sae_file_close(ps_sae_file *file);

size_t ps_sae_file_count(const ps_sae_file *file);
const ps_tensor_info *ps_sae_file_tensor(const ps_sae_file *file, size_t index);
/* The tensor of that name; NULL: there is none. */
const ps_tensor_info *ps_sae_file_find(const ps_sae_file *file, const char *name);
/* Whether the first dimension of the tensor varies fastest (npz alone). */
bool ps_sae_file_is_fortran(const ps_sae_file *file, const ps_tensor_info *tensor);

/* The tensor of that name, which must have numbers of a type that is read, and this shape (rank;
 * a 0 allows any size). PS_EINPUT naming file and tensor. */
int ps_sae_file_expect(const ps_sae_file *file, const char *name, int rank, const uint64_t *shape,
		       const ps_tensor_info **tensor, ps_diag *diag) PS_MUST_USE;

/* Begins to read a tensor of the file. */
int ps_sae_file_begin(ps_sae_file *file, const ps_tensor_info *tensor, ps_diag *diag) PS_MUST_USE;
/* Its next bytes. The caller asks for no more than there are. */
int ps_sae_file_read(ps_sae_file *file, void *out, size_t bytes, ps_diag *diag) PS_MUST_USE;

/* " (offset N)" of an element, for messages; "" in an npz. Returns text. */
const char *ps_sae_file_offset(const ps_sae_file *file, const ps_tensor_info *tensor,
			       size_t element, char *text, size_t size);

#endif
