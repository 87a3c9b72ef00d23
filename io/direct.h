/* io/direct.h: reads past the page cache: a second descriptor of each file, opened O_DIRECT.
 *
 * A file gets a direct descriptor if all of this holds; otherwise it is read through the page
 * cache:
 * - it can be opened with O_DIRECT (tmpfs and some other file systems cannot);
 * - it is still the file that is mapped (same device and inode);
 * - a test read of one block succeeds;
 * - the kernel tells us which of its pages are cached. It tells the owner and those who may write
 *   to the file. To anybody else it claims that all pages are cached.
 * Direct reads take whole blocks of PS_READ_ALIGNMENT bytes: offset, size and buffer. */
#ifndef PS_IO_DIRECT_H
#define PS_IO_DIRECT_H

#include "io/safetensors.h"

#define PS_READ_ALIGNMENT 4096
/* Reads smaller than this (rows of an embedding) go through the page cache. A text uses most rows
 * again and again: reading 16,384 rows of 4 KiB by a text's ids took 0.15 to 0.27 s through a cold
 * page cache and 0.22 to 0.48 s directly. */
#define PS_DIRECT_LEAST 65536

typedef struct ps_direct_files {
	const ps_sys *sys;
	const ps_tensor_file *files; /* (count) */
	size_t count, direct_count;
	int *fds;         /* (count); -1: the file is read through the page cache */
	char refusal[64]; /* why the first such file is; "": there is none */
} ps_direct_files;

/* Opens direct descriptors of the files, which must outlive *direct. A file that gets none is no
 * error. block: PS_READ_ALIGNMENT bytes on a block boundary, overwritten. Errors: -ENOMEM. */
int ps_direct_open(ps_direct_files *direct, const ps_sys *sys, const ps_tensor_file *files,
		   size_t count, void *block) PS_MUST_USE;
/* Closes the descriptors. A zeroed struct is allowed. */
void ps_direct_close(ps_direct_files *direct);

/* True if at least half of the pages that [offset, offset + bytes) touches are in the page
 * cache. */
bool ps_direct_is_cached(const ps_sys *sys, const ps_tensor_file *file, uint64_t offset,
			 size_t bytes);

#endif
