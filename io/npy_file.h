/* io/npy_file.h: a NumPy array file (npy), mapped like a safetensors file with one tensor, so that
 * whatever takes the one takes the other (io/npy.h reads the header). */
#ifndef PS_IO_NPY_FILE_H
#define PS_IO_NPY_FILE_H

#include "io/safetensors.h"

/* Opens, checks and maps a file. Its tensor is called `name`, a constant text. It is closed by
 * ps_safetensors_close, and already so on failure. PS_EINPUT: a header that io/npy.h refuses, an
 * array in Fortran order, a file that is not as long as its header says. PS_EBUDGET. */
int ps_npy_file_open(ps_safetensors *file, const ps_sys *sys, const char *path, const char *name,
		     ps_diag *diag) PS_MUST_USE;

#endif
