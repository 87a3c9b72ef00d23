/* io/backend.h: which way files are read, and a reader of that way.
 *
 * uring: io_uring (io/reader_uring.c); pread: one read after the other (io/reader_pread.c); mmap: no reader, the mapping;
 * auto: uring, and pread with the reason named where the kernel or its rules forbid it. */
#ifndef PS_IO_BACKEND_H
#define PS_IO_BACKEND_H

#include "io/reader.h"

typedef enum ps_backend { PS_IO_AUTO, PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP } ps_backend;

int ps_backend_parse(const char *name, ps_backend *backend, ps_diag *diag) PS_MUST_USE;

/* Room for "pread (io_uring: REASON)" and for an engine's own text. */
#define PS_BACKEND_TEXT 352

/* A reader of places->files into places->memory; not for mmap. text (PS_BACKEND_TEXT) says what was got. uring by name
 * where it cannot be had: -errno. */
int ps_backend_reader(ps_reader **reader, ps_backend backend, const ps_uring_options *places,
		      char *text, ps_diag *diag) PS_MUST_USE;

#endif
