/* io/npz_writer.h: writes a NumPy archive (npz): a zip file with an npy file for each array.
 *
 * The arrays are stored, not deflated, in C order and little-endian. Every entry has a zip64 record
 * and the date 1980-01-01, so the same arrays give the same bytes. The file takes its name when it
 * is whole (io/temporary.h).
 *
 * Memory: one buffer of PS_NPZ_WRITER_BYTES. io/npz.h reads the file back. */
#ifndef PS_IO_NPZ_WRITER_H
#define PS_IO_NPZ_WRITER_H

#include "io/artefact.h"

#define PS_NPZ_WRITER_ARRAYS 32 /* the most arrays of a file */
/* What a writer holds, in bytes. */
#define PS_NPZ_WRITER_BYTES ((size_t)1 << 20)

typedef struct ps_npz_writer ps_npz_writer;

/* Begins a file of these arrays: PS_F32, PS_F64 or PS_F16, at most PS_NPZ_WRITER_ARRAYS of them,
 * each with a rank of 1 or more. Their names are copied and get ".npy" in the file. Errors:
 * PS_EFAILED for arrays that cannot be written so, PS_EBUDGET, -errno or PS_EOUTPUT for the
 * file. */
int ps_npz_writer_create(ps_npz_writer **writer, const ps_sys *sys, const char *path,
			 const ps_tensor_decl *arrays, size_t count, ps_diag *diag) PS_MUST_USE;
/* Appends bytes to the data, in the order of the arrays. PS_EFAILED for more than declared. */
int ps_npz_writer_write(ps_npz_writer *writer, const void *data, size_t bytes,
			ps_diag *diag) PS_MUST_USE;
/* Completes the file. PS_EFAILED unless all data has come. Frees the writer, whatever it
 * returns. */
int ps_npz_writer_commit(ps_npz_writer *writer, ps_diag *diag) PS_MUST_USE;
/* Removes the temporary file and frees the writer. NULL is allowed. */
void ps_npz_writer_abort(ps_npz_writer *writer);

#endif
