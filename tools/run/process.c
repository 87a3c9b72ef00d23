#include "tools/run/process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void read_boot_id(char out[PS_BOOT_ID_BYTES])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	out[0] = 0;
	if (!file)
		return;
	if (!fgets(out, PS_BOOT_ID_BYTES, file))
		out[0] = 0;
	out[strcspn(out, "\n")] = 0;
	fclose(file);
}

/* Field 3 (state) and field 22 (start time) of /proc/PID/stat. The second field is the
 * program's name in brackets, which may hold spaces and brackets: the fields after it are
 * counted from the last bracket. */
static bool read_stat(int64_t pid, char *state, uint64_t *start)
{
	char path[64], text[1024];
	const char *field;
	size_t length;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	length = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[length] = 0;
	field = strrchr(text, ')');
	return field &&
	       sscanf(field + 1,
		      " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
		      "%*s %*s %" SCNu64,
		      state, start) == 2;
}

void ps_process_self(ps_process *process)
{
	struct stat st;
	char state;

	*process = (ps_process){.pid = getpid()};
	if (gethostname(process->host, sizeof process->host - 1))
		process->host[0] = 0;
	read_boot_id(process->boot);
	if (!stat("/proc/self/ns/pid", &st))
		process->pid_namespace = st.st_ino;
	if (!read_stat(process->pid, &state, &process->start))
		process->start = 0;
}

bool ps_process_is_near(const ps_process *a, const ps_process *b)
{
	return a->boot[0] && !strcmp(a->boot, b->boot) && a->pid_namespace &&
	       a->pid_namespace == b->pid_namespace;
}

bool ps_process_is_alive(const ps_process *process)
{
	uint64_t start;
	char state;

	if (process->pid <= 0 || process->pid != (pid_t)process->pid)
		return false;
	/* /proc may hide the processes of other users: then only that there is one can be told. */
	if (!read_stat(process->pid, &state, &start))
		return !kill((pid_t)process->pid, 0) || errno != ESRCH;
	return state != 'Z' && state != 'X' && (!process->start || start == process->start);
}

bool ps_thread_time_read(ps_thread_time *time)
{
	FILE *file = fopen("/proc/thread-self/schedstat", "re");
	uint64_t ran, waited;
	bool known;

	*time = (ps_thread_time){0};
	if (!file)
		return false;
	known = fscanf(file, "%" SCNu64 " %" SCNu64, &ran, &waited) == 2;
	fclose(file);
	if (known)
		*time = (ps_thread_time){1e-9 * (double)ran, 1e-9 * (double)waited};
	return known;
}
