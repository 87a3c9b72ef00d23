/* io/npz.h: reads a NumPy archive (npz): a zip file with an npy file for each array.
 *
 * numpy.savez stores the arrays, numpy.savez_compressed deflates them. Both are read as a stream:
 * the bytes of an array come in order, into the caller's memory, and are never inflated elsewhere.
 * Opening reads the zip's directory and each array's header. An array's size in the directory must
 * be that of its header, and DEFLATE must be able to make so much of its bytes. So what an archive
 * takes in memory is known before anything of it is inflated.
 *
 * Refused with PS_EINPUT, naming file and array:
 * - a zip file that is damaged, encrypted, or compressed by other means;
 * - an entry that is no npy file, two of one name, more than PS_NPZ_ARRAYS_MAX of them;
 * - a header that io/npy.h refuses, or that does not fit its entry;
 * - data whose CRC-32 is not the one in the directory (when the last byte is read).
 *
 * The file is mapped; a file that changes meanwhile is found by io/map_guard.h. */
#ifndef PS_IO_NPZ_H
#define PS_IO_NPZ_H

#include "io/npy.h"

#define PS_NPZ_ARRAYS_MAX 4096

typedef struct ps_npz_array {
	ps_tensor_info info; /* the name without ".npy"; offset is not set */
	bool fortran_order;
	size_t header_bytes; /* before the data in the entry */
} ps_npz_array;

struct zip;
struct zip_file;

/* One that is all zero is closed; closing it again does nothing. */
typedef struct ps_npz {
	const ps_sys *sys;
	char *path;
	int fd;
	uint64_t file_bytes;
	const char *map; /* the whole file, read-only */
	struct zip *zip;
	size_t count;
	ps_npz_array *arrays; /* (count) */
	/* The array that is being read. */
	struct zip_file *entry; /* NULL: none */
	size_t current;
	uint64_t left; /* bytes of it that were not read yet */
} ps_npz;

/* Opens and maps a file, and reads its directory and headers. It is closed again on failure.
 * PS_EBUDGET: no memory. */
int ps_npz_open(ps_npz *npz, const ps_sys *sys, const char *path, ps_diag *diag) PS_MUST_USE;
void ps_npz_close(ps_npz *npz);

/* Begins to read the data of an array (its index). One that is being read is left. */
int ps_npz_begin(ps_npz *npz, size_t array, ps_diag *diag) PS_MUST_USE;
/* Reads the next bytes of it. With its last byte, the checksum is compared. The caller asks for no
 * more than there are. */
int ps_npz_read(ps_npz *npz, void *out, size_t bytes, ps_diag *diag) PS_MUST_USE;

#endif
