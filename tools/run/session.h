/* tools/run/session.h: the run context: what every piece of work runs in, however it was asked
 * for.
 *
 * Budget, threads, precision, I/O backend, progress, diagnostics. None of it but the precision
 * determines the bits of a result. Options of a command are in its own argument struct; the
 * command line is tools/cli's. */
#ifndef PS_TOOLS_RUN_SESSION_H
#define PS_TOOLS_RUN_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/progress.h"
#include "core/model/kernel.h"
#include "io/checkpoint.h"

/* Counted into every plan for the program itself, its libraries and their small tables. */
#define PS_PROGRAM_BYTES ((size_t)12 << 20)

typedef struct ps_session {
	size_t memory_bytes; /* hard budget */
	int threads;
	ps_backend backend;
	ps_precision precision;
	bool json, quiet; /* stdout is one JSON object; no progress and no remarks */
	double started;   /* ps_clock when the work began */

	ps_diag diag;
	ps_pool *pool;
	ps_progress progress;
	ps_context context;
} ps_session;

/* Starts threads and installs signal handlers for a session whose first part is filled in;
 * memory_bytes 0 becomes ps_memory_default. */
int ps_session_start(ps_session *session) PS_MUST_USE;
void ps_session_end(ps_session *session); /* one that was not started is allowed */

/* A step of a longer command: its name is shown in front of the progress. NULL: none. */
void ps_session_stage(ps_session *session, const char *stage);

/* A remark for the user on stderr, unless --quiet. */
void ps_session_say(const ps_session *session, const char *format, ...) PS_PRINTF(2, 3);

/* The budget when --memory is absent: the lesser of the cgroup's limit and MemAvailable, less
 * a tenth. */
size_t ps_memory_default(void);

#endif
