/* tools/probe.h: short measurements of this machine, a fraction of a second each, for estimates. */
#ifndef PS_TOOLS_PROBE_H
#define PS_TOOLS_PROBE_H

#include "tools/session.h"

typedef int (*ps_probe_fn)(void *context);

/* Mean seconds of one call, the first left out unless it alone takes long. A failing call's code is returned. */
int ps_probe_time(ps_probe_fn fn, void *context, double *seconds) PS_MUST_USE;

/* Operations (multiplications and additions) per second of the matrix product on the session's threads. */
int ps_probe_product(ps_session *session, double *rate) PS_MUST_USE;

/* Bytes per second, fsync included, to a file in the folder that never has a name; 0 where that cannot be had. */
double ps_probe_write(const char *folder);

#endif
