/* The table of mappings. It is global because a signal handler can look at nothing else. Adding a
 * mapping takes a slot (base changes from FREE to TAKEN), fills it, and stores base last, which
 * publishes it. Removing and checking hold a lock, so that no file is closed while it is looked
 * at. */
#include "io/map_guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#define SLOTS 4096 /* further mappings are not known */
#define FREE ((uintptr_t)0)
#define TAKEN ((uintptr_t)1) /* no mapping starts there */

static struct {
	_Atomic uintptr_t base;
	_Atomic size_t bytes;
	_Atomic(const char *) path;
	int fd;
	struct timespec changed; /* the file's mtime when it was added */
} slots[SLOTS];

/* The lock, and what was found when a mapping was removed. */
static struct {
	pthread_mutex_t lock;
	ps_diag diag;
} found = {.lock = PTHREAD_MUTEX_INITIALIZER};

void ps_map_guard_add(const void *base, size_t bytes, const char *path, int fd)
{
	struct stat st = {0};

	if (fd >= 0 && fstat(fd, &st))
		fd = -1;
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t expected = FREE;

		if (!atomic_compare_exchange_strong(&slots[i].base, &expected, TAKEN))
			continue;
		atomic_store(&slots[i].bytes, bytes);
		atomic_store(&slots[i].path, path);
		slots[i].fd = fd;
		slots[i].changed = st.st_mtim;
		atomic_store(&slots[i].base, (uintptr_t)base);
		return;
	}
}

/* Compares the file of slot i with what it was. The caller holds the lock. */
static int check(size_t i, ps_diag *diag)
{
	const char *path = atomic_load(&slots[i].path);
	size_t bytes = atomic_load(&slots[i].bytes);
	struct stat st;

	if (slots[i].fd < 0)
		return 0;
	if (fstat(slots[i].fd, &st))
		return ps_fail(diag, PS_EINPUT, "%s: can no longer be looked at", path);
	if ((uint64_t)st.st_size != bytes)
		return ps_fail(diag, PS_EINPUT,
			       "%s: changed while it was read: it had %zu bytes and has %lld", path,
			       bytes, (long long)st.st_size);
	if (st.st_mtim.tv_sec != slots[i].changed.tv_sec ||
	    st.st_mtim.tv_nsec != slots[i].changed.tv_nsec)
		return ps_fail(diag, PS_EINPUT, "%s: was written to while it was read", path);
	return 0;
}

void ps_map_guard_remove(const void *base)
{
	size_t i = 0;

	while (i < SLOTS && atomic_load(&slots[i].base) != (uintptr_t)base)
		i++;
	if (i == SLOTS)
		return;
	pthread_mutex_lock(&found.lock);
	(void)check(i, &found.diag);
	atomic_store(&slots[i].base, FREE);
	pthread_mutex_unlock(&found.lock);
}

const char *ps_map_guard_find(const void *address)
{
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t base = atomic_load(&slots[i].base);

		if (base > TAKEN && (uintptr_t)address - base < atomic_load(&slots[i].bytes))
			return atomic_load(&slots[i].path);
	}
	return NULL;
}

int ps_map_guard_check(ps_diag *diag)
{
	int rc = 0;

	pthread_mutex_lock(&found.lock);
	if (found.diag.text[0])
		rc = ps_fail(diag, PS_EINPUT, "%s", found.diag.text);
	found.diag.text[0] = 0;
	for (size_t i = 0; !rc && i < SLOTS; i++)
		if (atomic_load(&slots[i].base) > TAKEN)
			rc = check(i, diag);
	pthread_mutex_unlock(&found.lock);
	return rc;
}
