/* io/temporary.h: a file that takes its name only when it is whole.
 *
 * Bytes go to ".NAME.ps-partial" in the same folder; keep fsyncs, renames and fsyncs the folder; drop unlinks.
 * States: CLOSED -(open)-> OPEN -(keep, drop)-> CLOSED. The temporary is locked (flock) while it is open, so
 * that two processes never write the same one, and what a killed process left is taken over by the next.
 * Failures are -errno or PS_EOUTPUT, naming the path. */
#ifndef PS_IO_TEMPORARY_H
#define PS_IO_TEMPORARY_H

#include <limits.h>

#include "io/sys.h"

typedef struct ps_temporary {
	const ps_sys *sys;
	int fd;
	const char *path; /* borrowed: the name it will take */
	char folder[PATH_MAX], name[PATH_MAX];
} ps_temporary;

/* path must stay valid until keep or drop; it may name an existing regular file, which is then replaced. */
int ps_temporary_open(ps_temporary *temporary, const ps_sys *sys, const char *path,
		      ps_diag *diag) PS_MUST_USE;
/* On failure the temporary is gone, and path is either the old file or the whole new one. */
int ps_temporary_keep(ps_temporary *temporary, ps_diag *diag) PS_MUST_USE;
void ps_temporary_drop(ps_temporary *temporary);

/* Removes what killed processes left in the folder. */
void ps_temporary_sweep(const ps_sys *sys, const char *folder);
/* name is that of a temporary. */
int ps_temporary_is(const char *name);

/* fsyncs a folder, so that names made or removed in it last. 0 or -errno. */
int ps_folder_fsync(const ps_sys *sys, const char *folder) PS_MUST_USE;

#endif
