/* io/file.h: small files as a whole: read with a limit on their size, replaced atomically. */
#ifndef PS_IO_FILE_H
#define PS_IO_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"
#include "io/sys.h"

/* Writes out what stdout holds back, and closes it. PS_EOUTPUT if any of what was printed is lost.
 * A stdout that was never open is no failure if nothing was printed. */
int ps_stdout_close(ps_diag *diag) PS_MUST_USE;

/* Replaces the file atomically: temporary file, fsync, rename, fsync of the folder. After a failed
 * fsync nobody knows what the kernel still holds. So everything is then written anew, once, to a
 * new temporary file. */
int ps_file_replace(const ps_sys *sys, const char *path, const void *bytes, size_t length,
		    ps_diag *diag) PS_MUST_USE;
/* A JSON value as text, NUL-terminated, malloc'ed. flags: those of jansson. NULL: no memory. (In
 * that case json_dumps may return a text that lacks a key.) */
char *ps_json_text(const json_t *value, size_t flags);
/* How our JSON files are laid out, for ps_json_text. A newline follows. */
#define PS_JSON_FILE (JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17))
/* Replaces the file by a JSON value: keys sorted, indented, with a newline at the end. Equal values
 * give equal bytes. */
int ps_file_replace_json(const ps_sys *sys, const char *path, const json_t *value,
			 ps_diag *diag) PS_MUST_USE;

/* Reads a whole file: malloc'ed, with a NUL behind it that length does not count. PS_EINPUT if the
 * file is missing, unreadable, not a regular file, or has more than `limit` bytes. */
int ps_file_read(const ps_sys *sys, const char *path, size_t limit, char **bytes, size_t *length,
		 ps_diag *diag) PS_MUST_USE;
/* Reads a JSON file (core/base/json_text.h says which deviations it takes). *value is a new
 * reference. PS_EINPUT also for invalid JSON and for duplicate keys, naming the line. */
int ps_file_read_json(const ps_sys *sys, const char *path, size_t limit, json_t **value,
		      ps_diag *diag) PS_MUST_USE;

/* Opens a regular file for reading. Returns its descriptor (>= 0) and its size, or PS_EINPUT. Every
 * input is opened here, so that a Git LFS pointer in place of any file is named as one. */
int ps_file_open(const ps_sys *sys, const char *path, uint64_t *bytes, ps_diag *diag) PS_MUST_USE;
/* Whether the path names anything, even a link to a file that is not there. */
bool ps_file_is_named(const char *path);
/* Whether a file is there, its links followed. What cannot be looked at may be there: opening it
 * then says why it cannot. So a file counts as missing only where the system says that it is. */
bool ps_file_is_there(const char *path);
/* The size and the XXH3 of a whole file. PS_EINPUT if it cannot be read. */
int ps_file_digest(const ps_sys *sys, const char *path, uint64_t *bytes, uint64_t *digest,
		   ps_diag *diag) PS_MUST_USE;

#endif
