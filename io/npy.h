/* io/npy.h: the header of a NumPy array file (npy), as numpy.lib.format describes it.
 *
 * Layout: 6 bytes of magic, version (major, minor), the header's length (2 bytes in version 1, 4 in
 * versions 2 and 3, little-endian), the header, data. The header is a Python dictionary:
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (2304, 16384), }
 * Exactly these three keys are read, each once. Types of numbers: '<f4', '<f8', '<f2',
 * '<i4', '<i8', '|u1', '|b1'. Others (big-endian ones, structures, Python objects) are refused by
 * name. */
#ifndef PS_IO_NPY_H
#define PS_IO_NPY_H

#include "io/safetensors.h"

/* The bytes of the longest header that is read, with all that stands before it. */
#define PS_NPY_HEADER_MAX ((size_t)4096)
/* The bytes from which ps_npy_header_bytes knows the length. */
#define PS_NPY_START ((size_t)12)

/* The bytes before the data, by the first PS_NPY_START bytes of the file. PS_EINPUT, naming the
 * file at path and the array: it is no npy file, of an unknown version, or its header is longer
 * than PS_NPY_HEADER_MAX. */
int ps_npy_header_bytes(const unsigned char *start, const char *path, const char *name,
			size_t *bytes, ps_diag *diag) PS_MUST_USE;

/* Parses all bytes before the data. Sets dtype, dtype_name, rank, shape and bytes (of the data) of
 * info; its other fields stay. fortran_order: the first dimension varies fastest. PS_EINPUT, naming
 * the file at path and the array. */
int ps_npy_parse(const char *text, size_t length, const char *path, const char *name,
		 ps_tensor_info *info, bool *fortran_order, ps_diag *diag) PS_MUST_USE;

#endif
