/* tools/engine/probe_disk.h: measures a folder's disk as commands use it: how files there are read
 * and how fast, and how fast one is written. Takes about a quarter of a second. */
#ifndef PS_TOOLS_ENGINE_PROBE_DISK_H
#define PS_TOOLS_ENGINE_PROBE_DISK_H

#include "io/backend.h"

typedef struct ps_disk_probe {
	int write_error;               /* errno: no file can be made in the folder; 0: one can */
	double write_rate;             /* bytes a second, with fsync; 0: none was written */
	double read_rate;              /* bytes a second, past the page cache where that can be */
	char backend[PS_BACKEND_TEXT]; /* how they are read: "uring (direct, registered buffers)" */
} ps_disk_probe;

/* Writes 16 MiB to a file and reads it. The file has no name, so that nothing is left; where the
 * file system knows no such files, or /proc is not mounted, it has one and is removed. Where the
 * folder does not allow a file, the program's own is read instead. PS_EBUDGET, or the code of a
 * failed read. */
int ps_probe_disk(const char *folder, ps_disk_probe *probe, ps_diag *diag) PS_MUST_USE;

#endif
