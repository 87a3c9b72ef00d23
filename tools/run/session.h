/* tools/run/session.h: what every command runs in: the common flags, threads, progress, signals, the diagnostic. */
#ifndef PS_TOOLS_RUN_SESSION_H
#define PS_TOOLS_RUN_SESSION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/model/kernel.h"
#include "core/base/progress.h"
#include "io/checkpoint.h"
#include "tools/cli/options.h"

/* Part of every provenance: raised when the same inputs would give other bits. */
#define PS_CODE_VERSION 2
/* Counted into every plan for the program itself, its libraries and their small tables. */
#define PS_PROGRAM_BYTES ((size_t)12 << 20)

typedef struct ps_session {
	size_t memory_bytes;
	int threads;
	ps_backend backend;
	ps_precision precision;
	uint64_t seed;
	bool json, quiet, force;
	/* as given on the command line, before they are checked */
	int64_t threads_option, seed_option;
	const char *precision_option, *backend_option;
	ps_option options[12];
	const struct ps_command *command; /* for --help */
	bool helped;                      /* --help was answered */
	double started;                   /* ps_clock when the command began */

	ps_diag diag;
	ps_pool *pool;
	ps_progress progress;
	ps_context context;
} ps_session;

/* Defaults and the table of common options (session->options). */
void ps_session_init(ps_session *session);
/* After parsing: checks the common options, starts threads, installs signal handlers. */
int ps_session_start(ps_session *session) PS_MUST_USE;
void ps_session_end(ps_session *session);

/* A step of a longer command: its name is shown in front of the progress. NULL: none. */
void ps_session_stage(ps_session *session, const char *stage);

/* A remark for the user on stderr, unless --quiet. */
void ps_session_say(const ps_session *session, const char *format, ...) PS_PRINTF(2, 3);

/* The budget when --memory is absent: the lesser of the cgroup's limit and MemAvailable, less a tenth. */
size_t ps_memory_default(void);

#endif
