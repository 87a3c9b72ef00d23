/* io/known_digest.h: the XXH3 of whole files, read once for each state of a file.
 *
 * The digest of a file whose state (io/file_state.h) is that of its last reading is remembered
 * (io/digest_memory.h) and costs a few system calls. Any other file is read through: in order, by
 * all threads of the pool, with progress. Then the digest is remembered, unless another write could
 * have left the same state. A file that was written less than 20 ms ago is waited for.
 *
 * Memory while a file is read: 64 KiB for each thread, and 128 KiB. */
#ifndef PS_IO_KNOWN_DIGEST_H
#define PS_IO_KNOWN_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/progress.h"
#include "io/sys.h"

typedef struct ps_known_file {
	const char *path;
	/* Set by ps_known_digests: */
	uint64_t bytes, digest;
	bool remembered; /* nothing was read */
} ps_known_file;

/* Size and digest of a file. trust_state false reads the file, whatever is remembered. context:
 * pool and progress; NULL: one thread, silent. Errors: PS_EINPUT if the file cannot be read, is no
 * regular file, or changes while it is read; PS_EINTERRUPTED, PS_EBUDGET. */
int ps_known_digest(const ps_sys *sys, const char *path, const ps_context *context,
		    bool trust_state, uint64_t *bytes, uint64_t *digest, ps_diag *diag) PS_MUST_USE;
/* The same for many files, with one progress for all of them. */
int ps_known_digests(const ps_sys *sys, ps_known_file *files, size_t count,
		     const ps_context *context, bool trust_state, ps_diag *diag) PS_MUST_USE;

#endif
