/* io/direct.h: a second descriptor of each file, opened O_DIRECT, past the page cache, and what the cache holds.
 *
 * A file gets one when it can be opened so, is still the file that is mapped, gives a block, and when the kernel
 * tells which of its pages are cached: of a file that is neither ours nor ours to write it says that all are,
 * so such a file is read through the cache (as are tmpfs and others that know no O_DIRECT).
 * Direct reads take whole blocks of PS_READ_ALIGNMENT: offset, size and buffer. */
#ifndef PS_IO_DIRECT_H
#define PS_IO_DIRECT_H

#include "io/safetensors.h"

#define PS_READ_ALIGNMENT 4096
/* Smaller ranges (rows of an embedding) are read through the cache: of 16,384 rows of 4 KiB by a text's ids, most
 * come again and again, and cold they took 0.15-0.27 s so against 0.22-0.48 s directly. */
#define PS_DIRECT_LEAST 65536

typedef struct ps_direct_files {
	const ps_sys *sys;
	const ps_safetensors *files;
	size_t count, direct_count;
	int *fds;         /* (count): -1 where the file is read through the cache */
	char refusal[64]; /* why the first such file is; "" when none is */
} ps_direct_files;

/* block: PS_READ_ALIGNMENT bytes so aligned, overwritten. -ENOMEM; files without a descriptor are no error.
 * The files outlive this. */
int ps_direct_open(ps_direct_files *direct, const ps_sys *sys, const ps_safetensors *files,
		   size_t count, void *block) PS_MUST_USE;
void ps_direct_close(ps_direct_files *direct); /* of a zeroed one: nothing */

/* At least half of the pages that [offset, offset + bytes) touches are in the page cache. */
bool ps_direct_is_cached(const ps_sys *sys, const ps_safetensors *file, uint64_t offset,
			 size_t bytes);

#endif
