/* io/digest_memory.h: remembers the digests of files from one run of the program to the next.
 *
 * The memory is one file, prunescope/file-digests in $XDG_CACHE_HOME (if that is an absolute path)
 * or in $HOME/.cache. It has BUCKETS buckets of SLOTS records of 72 bytes, at most 4.5 MiB. The
 * path and the device choose the bucket. A full bucket forgets its oldest record. A record holds
 * the file's state, its digest, and a checksum of itself. So nothing goes wrong by any of these:
 * - The file is damaged, empty, cut or not ours: such records are not found.
 * - Several processes write at once: a torn record is not found, a lost one is made again.
 * - The folder is missing and cannot be made, cannot be written, or HOME is not set: nothing is
 *   remembered, every digest is made anew.
 * Anybody may delete the file at any time. */
#ifndef PS_IO_DIGEST_MEMORY_H
#define PS_IO_DIGEST_MEMORY_H

#include "io/file_state.h"

/* True if the digest of the file at path in this state is known. */
bool ps_digest_memory_find(const ps_sys *sys, const char *path, const ps_file_state *state,
			   uint64_t *digest);
/* Remembers a digest, as well as it can. The caller read the file after its state had settled. */
void ps_digest_memory_keep(const ps_sys *sys, const char *path, const ps_file_state *state,
			   uint64_t digest);

/* The path of the memory (PATH_MAX bytes). False: there is none. */
bool ps_digest_memory_path(char *path);

#endif
