/* tools/engine/probe.h: short measurements of this machine, a fraction of a second each, for estimates. */
#ifndef PS_TOOLS_ENGINE_PROBE_H
#define PS_TOOLS_ENGINE_PROBE_H

#include "tools/run/session.h"

typedef int (*ps_probe_fn)(void *context);

/* Median seconds of a call, the first left out unless it alone takes long. A failing call's code is returned. */
int ps_probe_time(ps_probe_fn fn, void *context, double *seconds) PS_MUST_USE;

/* Operations (multiplications and additions) per second of the matrix product on the session's threads. */
int ps_probe_product(ps_session *session, double *rate) PS_MUST_USE;

/* Seconds that a file takes, its fsync included, and a byte of it; 0 where the folder cannot say. Nothing is left there. */
typedef struct ps_probe_writing {
	double file_seconds, byte_seconds;
} ps_probe_writing;
ps_probe_writing ps_probe_write(const char *folder);

#endif
