/* io/verified_file.h: a safetensors file that is read as a whole anyway, with its checksums looked at. */
#ifndef PS_IO_VERIFIED_FILE_H
#define PS_IO_VERIFIED_FILE_H

#include "io/safetensors.h"

/* As ps_safetensors_open; PS_EINPUT naming the first bad block where checksums of ours do not match. Files of
 * other tools carry none and are taken as they are. The file is closed again on failure. */
int ps_verified_file_open(ps_safetensors *file, const char *path, ps_diag *diag) PS_MUST_USE;

#endif
