/* tools/engine/probe.h: short measurements of this machine for estimates, a fraction of a second
 * each. */
#ifndef PS_TOOLS_ENGINE_PROBE_H
#define PS_TOOLS_ENGINE_PROBE_H

#include "core/base/error.h"

typedef int (*ps_probe_fn)(void *context);

/* *seconds: the median time of a call of fn. The first call warms up and is left out, unless it
 * alone takes 0.15 s or more: then it is the only one. Returns the code of a call that failed. */
int ps_probe_time(ps_probe_fn fn, void *context, double *seconds) PS_MUST_USE;

/* Seconds that a file takes with its fsync, and each byte of it. */
typedef struct ps_probe_writing {
	double file_seconds, byte_seconds;
} ps_probe_writing;
/* Measures where a file or folder of that path would stand: in the nearest folder above it that
 * exists. Writes 8 MiB to a file without a name, so that nothing is left. All zero where the folder
 * does not allow it. */
ps_probe_writing ps_probe_write(const char *path);

#endif
