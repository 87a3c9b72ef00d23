/* io/temporary.h: a file that takes its name only when it is whole.
 *
 * The bytes go to ".NAME.ps-partial" in the same folder. keep fsyncs the file, renames it and
 * fsyncs the folder. drop unlinks it. States: CLOSED -(open)-> OPEN -(keep, drop)-> CLOSED.
 *
 * The temporary file is locked (flock) while it is open. So two processes never write the same one,
 * and the next process takes over what a killed one left. Errors are -errno or PS_EOUTPUT, and name
 * the path. */
#ifndef PS_IO_TEMPORARY_H
#define PS_IO_TEMPORARY_H

#include <limits.h>
#include <stdbool.h>

#include "io/sys.h"

typedef struct ps_temporary {
	const ps_sys *sys;
	int fd;
	bool synced;
	const char *path; /* the name that it will take; borrowed */
	char folder[PATH_MAX], name[PATH_MAX];
} ps_temporary;

/* Opens a temporary file for path. If path names a regular file, keep replaces it. path must stay
 * valid until keep or drop. PS_EOUTPUT if another process is writing the same file. */
int ps_temporary_open(ps_temporary *temporary, const ps_sys *sys, const char *path,
		      ps_diag *diag) PS_MUST_USE;
/* fsyncs the file before keep does, so that several files can be whole before the first one takes
 * its name. On failure the temporary is gone. PS_EINPUT if a mapped input has changed meanwhile
 * (io/map_guard.h), PS_EBUDGET if memory for JSON was lacking (core/base/json_memory.h). */
int ps_temporary_sync(ps_temporary *temporary, ps_diag *diag) PS_MUST_USE;
/* Gives the file its name, which lasts once ps_temporary_sync_folder has returned. On failure the
 * temporary is gone, and path is the old file. Errors: also those of ps_temporary_sync. */
int ps_temporary_rename(ps_temporary *temporary, ps_diag *diag) PS_MUST_USE;
/* fsyncs the folder of a file that was renamed. One call is enough for all files of a folder. */
int ps_temporary_sync_folder(const ps_temporary *temporary, ps_diag *diag) PS_MUST_USE;
/* Both. On failure the temporary is gone, and path is either the old file or the whole new one. */
int ps_temporary_keep(ps_temporary *temporary, ps_diag *diag) PS_MUST_USE;
/* Removes the temporary file. One that is closed is allowed. */
void ps_temporary_drop(ps_temporary *temporary);

/* Removes the temporary files that killed processes left in a folder. */
void ps_temporary_sweep(const ps_sys *sys, const char *folder);
/* True if name is the name of a temporary file. */
bool ps_temporary_is(const char *name);

/* fsyncs a folder, so that names made or removed in it last. Returns 0 or -errno. */
int ps_folder_fsync(const ps_sys *sys, const char *folder) PS_MUST_USE;

#endif
