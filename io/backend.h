/* io/backend.h: the ways in which files are read, and a reader of the chosen way.
 *
 *   uring  io_uring (io/reader_uring.c); pread if not even a ring may be locked in memory
 *   pread  one read after the other (io/reader_pread.c)
 *   mmap   no reader; the caller uses the mapping
 *   auto   uring, or pread if the kernel or its rules forbid io_uring; the reason is named */
#ifndef PS_IO_BACKEND_H
#define PS_IO_BACKEND_H

#include "io/reader.h"

typedef enum ps_backend { PS_IO_AUTO, PS_IO_URING, PS_IO_PREAD, PS_IO_MMAP } ps_backend;

/* The backend of that name, or PS_EUSAGE. */
int ps_backend_parse(const char *name, ps_backend *backend, ps_diag *diag) PS_MUST_USE;

/* Bytes of a backend's description: "pread (io_uring: REASON)", or an engine's own text. */
#define PS_BACKEND_TEXT 352

/* Starts a reader of places->files into places->memory. Not for PS_IO_MMAP. text (PS_BACKEND_TEXT
 * bytes) receives a description of what is used. PS_IO_URING on a system that refuses it:
 * -errno. */
int ps_backend_reader(ps_reader **reader, ps_backend backend, const ps_uring_options *places,
		      char *text, ps_diag *diag) PS_MUST_USE;

#endif
