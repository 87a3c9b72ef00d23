/* io/file.h: small files as a whole: read with a limit, replaced atomically. */
#ifndef PS_IO_FILE_H
#define PS_IO_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "io/sys.h"

/* bytes replace path atomically (temporary, fsync, rename, fsync of the folder). When an fsync fails, what the
 * kernel still holds cannot be trusted: everything is written anew, once, to a new temporary. */
int ps_file_replace(const ps_sys *sys, const char *path, const void *bytes, size_t length,
		    ps_diag *diag) PS_MUST_USE;
/* A value's text, NUL-terminated, malloc'ed; flags: jansson's. NULL when memory runs out at any point (json_dumps
 * may then return a text that lacks a key). */
char *ps_json_text(const json_t *value, size_t flags);
/* As text with sorted keys, indented, ending in a newline: equal values give equal bytes. */
int ps_file_replace_json(const ps_sys *sys, const char *path, const json_t *value,
			 ps_diag *diag) PS_MUST_USE;

/* The whole file, NUL-terminated (not counted), malloc'ed. PS_EINPUT when missing, unreadable, not a regular
 * file, or over limit bytes. */
int ps_file_read(const ps_sys *sys, const char *path, size_t limit, char **bytes, size_t *length,
		 ps_diag *diag) PS_MUST_USE;
/* PS_EINPUT also for invalid JSON and duplicate keys, naming the line. */
int ps_file_read_json(const ps_sys *sys, const char *path, size_t limit, json_t **value,
		      ps_diag *diag) PS_MUST_USE;

/* A regular file opened for reading: its descriptor (>= 0) and size, or PS_EINPUT. */
int ps_file_open(const ps_sys *sys, const char *path, uint64_t *bytes, ps_diag *diag) PS_MUST_USE;
/* Size and XXH3 of the whole file. PS_EINPUT when it cannot be read. */
int ps_file_digest(const ps_sys *sys, const char *path, uint64_t *bytes, uint64_t *digest,
		   ps_diag *diag) PS_MUST_USE;

#endif
