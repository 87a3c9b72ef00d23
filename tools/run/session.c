#include "tools/run/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "tools/run/memory_limits.h"
#include "tools/run/progress_line.h"
#include "tools/run/signals.h"

/* Raises the limit of open files as far as the system allows: each shard of an open cache or
 * checkpoint takes one. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int ps_session_start(ps_session *s)
{
	int rc = ps_kernel_prepare(&s->diag);

	if (!rc)
		rc = ps_pool_create(&s->pool, s->threads, &s->diag);
	if (rc)
		return rc;
	if (!s->memory_bytes)
		s->memory_bytes = ps_memory_default();
	s->progress = ps_progress_line(s->quiet);
	s->context = (ps_context){.pool = s->pool, .progress = &s->progress, .diag = &s->diag};
	ps_signals_install();
	allow_many_files();
	return 0;
}

void ps_session_end(ps_session *s)
{
	ps_progress_line_end();
	ps_pool_destroy(s->pool);
	s->pool = NULL;
	json_decref(s->unverified);
	json_decref(s->mismatches);
	s->unverified = s->mismatches = NULL;
}

void ps_session_say(const ps_session *s, const char *format, ...)
{
	char *text;
	va_list args;
	int length;

	if (s->quiet)
		return;
	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return;
	ps_progress_remark(text);
	free(text);
}

void ps_session_say_backend(ps_session *s, const char *backend)
{
	if (s->told_backend ||
	    (!strstr(backend, "(io_uring: ") && !strstr(backend, "not registered")))
		return;
	s->told_backend = true;
	ps_session_say(s, "files are read with %s", backend);
}
