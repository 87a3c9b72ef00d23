/* tools/run/process.h: which process this is, and whether another one is still alive.
 *
 * A process id alone does not name a process: ids are used again, other machines have their
 * own, and so have containers. Together these do:
 *   - the boot of the machine (/proc/sys/kernel/random/boot_id),
 *   - the pid namespace (/proc/self/ns/pid),
 *   - the process id,
 *   - the time at which the process started, in clock ticks since the boot (/proc/PID/stat).
 * The host name is for people only.
 *
 * Also how long the calling thread has waited for a processor. */
#ifndef PS_TOOLS_RUN_PROCESS_H
#define PS_TOOLS_RUN_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#define PS_HOST_NAME_BYTES 65
#define PS_BOOT_ID_BYTES 40

typedef struct ps_process {
	char host[PS_HOST_NAME_BYTES], boot[PS_BOOT_ID_BYTES];
	uint64_t pid_namespace; /* inode number; 0: not known */
	int64_t pid;
	uint64_t start; /* 0: not known */
} ps_process;

/* The calling process. What /proc does not tell stays empty or 0. */
void ps_process_self(ps_process *process);

/* True if both run on the same boot of one machine and see each other's process ids. False if
 * unknown. */
bool ps_process_is_near(const ps_process *a, const ps_process *b);

/* Whether a process that is near the calling one still runs. A zombie does not. A process that
 * cannot be looked into counts as alive. */
bool ps_process_is_alive(const ps_process *process);

/* Seconds that the calling thread has run, and seconds that it was ready to run while others had
 * the processors. Source: /proc/thread-self/schedstat. */
typedef struct ps_thread_time {
	double ran, waited;
} ps_thread_time;

/* False, and zeros, if the system does not tell. */
bool ps_thread_time_read(ps_thread_time *time);

#endif
