#include "tools/run/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/base/clock.h"
#include "tools/run/progress_line.h"
#include "tools/run/signals.h"

static size_t read_number(const char *path)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "r");

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return (size_t)value;
}

static size_t memory_available(void)
{
	char text[256];
	unsigned long long kib = 0;
	FILE *file = fopen("/proc/meminfo", "r");

	if (!file)
		return (size_t)1 << 30;
	while (fgets(text, sizeof text, file))
		if (sscanf(text, "MemAvailable: %llu kB", &kib) == 1)
			break;
	fclose(file);
	return (size_t)kib * 1024;
}

/* The limit of this process's memory cgroup (v2, then v1), 0 when there is none. */
static size_t cgroup_limit(void)
{
	char text[512], path[600];
	size_t least = 0;
	FILE *file = fopen("/proc/self/cgroup", "r");

	while (file && fgets(text, sizeof text, file)) {
		char *where = strrchr(text, ':');
		size_t limit;

		text[strcspn(text, "\n")] = 0;
		if (!where)
			continue;
		if (!strncmp(text, "0::", 3))
			snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", where + 1);
		else if (strstr(text, ":memory:"))
			snprintf(path, sizeof path, "/sys/fs/cgroup/memory%s/memory.limit_in_bytes",
				 where + 1);
		else
			continue;
		limit = read_number(path);
		if (limit && (!least || limit < least))
			least = limit;
	}
	if (file)
		fclose(file);
	return least;
}

ps_memory_limits ps_memory_limits_read(void)
{
	return (ps_memory_limits){memory_available(), cgroup_limit()};
}

size_t ps_memory_default(void)
{
	const ps_memory_limits limits = ps_memory_limits_read();
	size_t available = limits.available;

	if (limits.cgroup && limits.cgroup < available)
		available = limits.cgroup;
	return available - available / 10;
}

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
