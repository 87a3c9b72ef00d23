/* io/file_set.h: files that belong together: they replace the old ones only when all are whole.
 *
 *   create -> add, remove ... -> keep        (or drop at any point: the old files stay)
 * add writes and fsyncs a temporary file (io/temporary.h). keep renames the files that were added
 * and removes those that were named to remove, in the order of these calls. A crash between two of
 * them leaves new files beside old ones, each of them whole: the file that stands for the set is
 * added last. Where that is the new one, what had to go is gone. */
#ifndef PS_IO_FILE_SET_H
#define PS_IO_FILE_SET_H

#include <stddef.h>

#include "io/sys.h"

typedef struct ps_file_set ps_file_set;

/* NULL: no memory. */
ps_file_set *ps_file_set_create(const ps_sys *sys);
/* Errors: as ps_file_replace (io/file.h). */
int ps_file_set_add(ps_file_set *set, const char *path, const void *bytes, size_t length,
		    ps_diag *diag) PS_MUST_USE;
/* Names a file that goes when the others are kept. One that is not there is no error. */
int ps_file_set_remove(ps_file_set *set, const char *path, ps_diag *diag) PS_MUST_USE;
/* Replaces the files, whatever it returns it frees the set. */
int ps_file_set_keep(ps_file_set *set, ps_diag *diag) PS_MUST_USE;
/* Removes the temporary files and frees the set. NULL is allowed. */
void ps_file_set_drop(ps_file_set *set);

#endif
