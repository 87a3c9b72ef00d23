#include "tools/run/memory_limits.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "core/base/checked.h"

#define CGROUP_MOST ((size_t)1 << 50) /* bytes: a group with more has no limit */

/* The lesser limit; 0 is none. */
static size_t least_of(size_t a, size_t b)
{
	return a && b ? ps_min_size(a, b) : a + b;
}

/* A number in a file; 0 if there is none, as of "max". */
static size_t read_number(const char *path)
{
	unsigned long long value = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &value) != 1)
		value = 0;
	fclose(file);
	return (size_t)value;
}

static size_t memory_available(const char *root)
{
	char text[PATH_MAX];
	unsigned long long kib = 0;
	struct sysinfo info = {.mem_unit = 1};
	FILE *file;

	snprintf(text, sizeof text, "%s/proc/meminfo", root);
	file = fopen(text, "re");
	while (file && fgets(text, sizeof text, file))
		if (sscanf(text, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (file)
		fclose(file);
	if (kib || sysinfo(&info))
		return (size_t)kib * 1024;
	return (size_t)info.freeram * info.mem_unit;
}

/* The least limit of a group and of all above it. name: "/job/step", is cut. */
static size_t hierarchy_limit(const char *mount, char *name, const char *limit_file)
{
	char path[PATH_MAX];
	size_t least = 0;
	char *slash;

	do {
		slash = strrchr(name, '/');
		if (slash && !slash[1])
			*slash = 0;
		if (snprintf(path, sizeof path, "%s%s/%s", mount, name, limit_file) <
		    (int)sizeof path)
			least = least_of(least, read_number(path));
		slash = strrchr(name, '/');
		if (slash)
			*slash = 0;
	} while (slash);
	return least < CGROUP_MOST ? least : 0;
}

/* Lines of /proc/self/cgroup are ID:CONTROLLERS:GROUP; version 2 has no controllers. */
static size_t cgroup_limit(const char *root)
{
	char text[PATH_MAX], mount[PATH_MAX];
	size_t least = 0;
	FILE *file;

	snprintf(text, sizeof text, "%s/proc/self/cgroup", root);
	file = fopen(text, "re");
	while (file && fgets(text, sizeof text, file)) {
		char *controllers = strchr(text, ':'),
		     *name = controllers ? strchr(controllers + 1, ':') : NULL;
		bool second;

		text[strcspn(text, "\n")] = 0;
		if (!name)
			continue;
		*name++ = 0;
		second = !controllers[1];
		if (!second && !strstr(controllers, "memory"))
			continue;
		snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, second ? "" : "/memory");
		least = least_of(least,
				 hierarchy_limit(mount, name,
						 second ? "memory.max" : "memory.limit_in_bytes"));
	}
	if (file)
		fclose(file);
	return least;
}

static size_t process_limit(void)
{
	struct rlimit space, data;
	size_t least = 0;

	if (!getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY)
		least = (size_t)space.rlim_cur;
	if (!getrlimit(RLIMIT_DATA, &data) && data.rlim_cur != RLIM_INFINITY)
		least = least_of(least, (size_t)data.rlim_cur);
	return least;
}

ps_memory_limits ps_memory_limits_read(const char *root)
{
	return (ps_memory_limits){memory_available(root), cgroup_limit(root), process_limit()};
}

size_t ps_memory_default(void)
{
	const ps_memory_limits limits = ps_memory_limits_read("");
	const size_t least = least_of(limits.available, least_of(limits.cgroup, limits.process));

	return least - least / 10;
}
