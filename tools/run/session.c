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
			snprintf(path, sizeof path, "/sys/fs/cgroup/memory%s/memory.limit_in_bytes", where + 1);
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

size_t ps_memory_default(void)
{
	size_t available = memory_available(), limit = cgroup_limit();

	if (limit && limit < available)
		available = limit;
	return available - available / 10;
}

void ps_session_init(ps_session *s)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	*s = (ps_session){.threads_option = processors > 0 ? processors : 1, .precision_option = "f32", .backend_option = "auto", .started = ps_clock()};
	const ps_option table[] = {
		{"--memory", PS_OPTION_SIZE, &s->memory_bytes, "SIZE  hard budget (bytes, or with K M G KiB MiB GiB)"},
		{"--threads", PS_OPTION_INT, &s->threads_option, "N  default: all processors"},
		{"--precision", PS_OPTION_TEXT, &s->precision_option, "f32|bf16  arithmetic of the forward pass (f32)"},
		{"--io", PS_OPTION_TEXT, &s->backend_option, "auto|uring|pread|mmap  how weights are read (auto)"},
		{"--seed", PS_OPTION_INT, &s->seed_option, "N  (0)"},
		{"--json", PS_OPTION_FLAG, &s->json, "one JSON object on stdout"},
		{"--quiet", PS_OPTION_FLAG, &s->quiet, "no progress, no remarks"},
		{"--force", PS_OPTION_FLAG, &s->force, "replace an output folder of another provenance"},
		{NULL, 0, NULL, NULL},
	};
	_Static_assert(sizeof table <= sizeof s->options, "the common options fit");
	memcpy(s->options, table, sizeof table);
}

/* Every shard of an open cache or checkpoint is an open file: as many as the system lets us have. */
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
	int rc;

	s->context.diag = &s->diag;
	if (s->threads_option < 1 || s->threads_option > 256)
		return ps_fail(&s->diag, PS_EUSAGE, "--threads must be 1 to 256");
	if (s->seed_option < 0)
		return ps_fail(&s->diag, PS_EUSAGE, "--seed must not be negative");
	s->precision = !strcmp(s->precision_option, "bf16") ? PS_PRECISION_BF16 : PS_PRECISION_F32;
	if (s->precision == PS_PRECISION_F32 && strcmp(s->precision_option, "f32"))
		return ps_fail(&s->diag, PS_EUSAGE, "--precision %s: must be f32 or bf16", s->precision_option);
	rc = ps_backend_parse(s->backend_option, &s->backend, &s->diag);
	if (rc)
		return rc;
	if (!s->memory_bytes)
		s->memory_bytes = ps_memory_default();
	s->threads = (int)s->threads_option;
	s->seed = (uint64_t)s->seed_option;
	rc = ps_pool_create(&s->pool, s->threads, &s->diag);
	if (rc)
		return rc;
	s->progress = ps_progress_line(s->quiet);
	s->context.pool = s->pool;
	s->context.progress = &s->progress;
	ps_signals_install();
	allow_many_files();
	return 0;
}

void ps_session_end(ps_session *s)
{
	ps_progress_clear();
	ps_pool_destroy(s->pool);
	s->pool = NULL;
}

void ps_session_stage(ps_session *s, const char *stage)
{
	(void)s;
	ps_progress_clear();
	ps_progress_stage(stage);
}

void ps_session_say(const ps_session *s, const char *format, ...)
{
	va_list args;

	if (s->quiet)
		return;
	ps_progress_clear();
	va_start(args, format);
	fputs("prunescope: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
