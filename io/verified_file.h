/* io/verified_file.h: checks the checksums of a safetensors file that is read as a whole anyway. */
#ifndef PS_IO_VERIFIED_FILE_H
#define PS_IO_VERIFIED_FILE_H

#include "io/safetensors.h"

/* Reads the whole file and compares it with its checksums. PS_EINPUT naming the first bad block and
 * its offset. *verified is false if the file carries no checksums, as files of other tools do. */
int ps_verified_file_check(const ps_safetensors *file, bool *verified, ps_diag *diag) PS_MUST_USE;

/* ps_safetensors_open, then the check. The file is closed again on failure. Files without checksums
 * are taken as they are. */
int ps_verified_file_open(ps_safetensors *file, const char *path, ps_diag *diag) PS_MUST_USE;

#endif
