/* io/text_file.h: a file mapped read-only: texts, tokenizer.json. Its pages can be dropped at any time and count
 * as nobody's memory. A file that shrinks meanwhile ends the program with exit 3 (ps_map_guard). */
#ifndef PS_IO_TEXT_FILE_H
#define PS_IO_TEXT_FILE_H

#include <stddef.h>

#include "core/base/error.h"

#define PS_TEXT_BYTES_MAX ((size_t)4 << 30)

typedef struct ps_text_file {
	const char *text; /* not NUL-terminated */
	size_t length;
	char *path;
} ps_text_file;

/* PS_EINPUT when missing, unreadable, not a regular file, or over limit bytes. */
int ps_text_file_open(ps_text_file *file, const char *path, size_t limit,
		      ps_diag *diag) PS_MUST_USE;
void ps_text_file_close(ps_text_file *file); /* a zeroed one is allowed */

#endif
