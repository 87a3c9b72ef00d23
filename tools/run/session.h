/* tools/run/session.h: the run context, which every command and every step of a study gets.
 *
 * It holds the memory budget, threads, precision, I/O backend, progress and diagnostics. Of these
 * only the precision determines the bits of a result. What is asked of one command is in that
 * command's own arguments; the command line is parsed in tools/cli. */
#ifndef PS_TOOLS_RUN_SESSION_H
#define PS_TOOLS_RUN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/json.h"
#include "core/base/progress.h"
#include "core/model/kernel.h"
#include "io/checkpoint.h"

/* Counted into every plan for the program itself, its libraries and their small tables. Measured: 6
 * to 9 MiB are resident beside what the plans list, 5 to 7 MiB of them pages of the program and the
 * libraries (2 threads, BLIS included). test_fault.sh compares the whole with each least budget. */
#define PS_PROGRAM_BYTES ((size_t)12 << 20)

typedef struct ps_session {
	/* The caller fills these in before ps_session_start. */
	size_t memory_bytes; /* hard budget; 0: ps_memory_default */
	int threads;         /* at least 1 */
	ps_backend backend;
	ps_precision precision;
	bool precision_asked; /* on the command line; otherwise a study file may choose it */
	bool json;            /* stdout is one JSON object */
	bool quiet;           /* no progress and no remarks */
	/* Activation caches, and outputs that are there already, are taken as they are
	 * (--no-verify). Else they are read once for each state of their files. */
	bool no_verify;
	bool force_mismatch; /* inputs that do not belong together are taken (belonging.h) */
	double started;      /* ps_clock when the work began */
	bool told_backend;   /* ps_session_say_backend has said it */
	bool told_done;      /* ps_output_say_done has said that an output is there already */

	/* ps_session_start makes these. */
	ps_diag diag; /* why something failed */
	ps_pool *pool;
	ps_progress progress;
	ps_context context; /* pool, progress and diag, as the library takes them */

	/* What was noted of the inputs (belonging.h); NULL: nothing. */
	json_t *unverified, *mismatches;
} ps_session;

/* What ps_cache_open and ps_folder_begin verify with; NULL with --no-verify. */
static inline const ps_context *ps_session_verify(const ps_session *session)
{
	return session->no_verify ? NULL : &session->context;
}

/* Starts the threads and the progress line, installs the signal handlers, and raises the limit of
 * open files. On failure ps_session_end is still to be called. */
int ps_session_start(ps_session *session) PS_MUST_USE;
/* Erases the progress line and ends all threads. A session that was not started is allowed. */
void ps_session_end(ps_session *session);

/* Writes "prunescope: ", in a study the step's name, the text and a newline to stderr, above the
 * progress line. Nothing with --quiet. */
void ps_session_say(const ps_session *session, const char *format, ...) PS_PRINTF(2, 3);

/* Says, once in a session, that files are not read as they should be: io_uring is refused, or its
 * buffers are not registered. backend: what io/backend.h says is used. */
void ps_session_say_backend(ps_session *session, const char *backend);

#endif
