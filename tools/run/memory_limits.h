/* tools/run/memory_limits.h: how much memory this process may take.
 *
 * A limit of a cgroup binds every group below it: Slurm limits the job and starts its steps in
 * groups of their own. So the group of the process is looked at, and every one above it. A
 * container may see its own group as the root, while /proc names it as the host does: looking
 * upwards finds that one too. */
#ifndef PS_TOOLS_RUN_MEMORY_LIMITS_H
#define PS_TOOLS_RUN_MEMORY_LIMITS_H

#include <stddef.h>

/* In bytes. */
typedef struct ps_memory_limits {
	size_t available; /* MemAvailable; without /proc what sysinfo(2) calls free */
	size_t cgroup;    /* the least limit of a memory cgroup (v1 or v2); 0: none */
	size_t process;   /* the lesser of ulimit -v and -d; 0: none */
} ps_memory_limits;

/* root: what /proc and /sys stand in: "", or a folder of a test. */
ps_memory_limits ps_memory_limits_read(const char *root);

/* The budget in bytes without --memory: nine tenths of the least of them. */
size_t ps_memory_default(void);

#endif
