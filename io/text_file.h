/* io/text_file.h: a file mapped read-only: a text, or tokenizer.json.
 *
 * The kernel can drop the pages of the mapping at any time, so they do not count as memory of the
 * program. A file that changes while it is mapped is found by io/map_guard.h. */
#ifndef PS_IO_TEXT_FILE_H
#define PS_IO_TEXT_FILE_H

#include <stddef.h>

#include "core/base/error.h"

#define PS_TEXT_BYTES_MAX ((size_t)4 << 30)

typedef struct ps_text_file {
	const char *text; /* (length), not NUL-terminated */
	size_t length;
	char *path;
	int fd; /* open while it is mapped */
} ps_text_file;

/* Maps a file. PS_EINPUT if it is missing, unreadable, not a regular file, or has more than `limit`
 * bytes. */
int ps_text_file_open(ps_text_file *file, const char *path, size_t limit,
		      ps_diag *diag) PS_MUST_USE;
/* Unmaps the file. A zeroed one is allowed. */
void ps_text_file_close(ps_text_file *file);

#endif
