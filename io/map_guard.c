/* The table of mappings. It is the only mutable global of io/, because a signal handler can look at
 * nothing else. Adding a mapping takes a slot (base changes from FREE to TAKEN), fills it, and
 * stores base last, which publishes it. */
#include <stdatomic.h>
#include <stddef.h>

#include "io/safetensors.h"

#define SLOTS 4096 /* the handler cannot name further mappings */
#define FREE ((uintptr_t)0)
#define TAKEN ((uintptr_t)1) /* no mapping starts there */

static struct {
	_Atomic uintptr_t base;
	_Atomic size_t bytes;
	_Atomic(const char *) path;
} slots[SLOTS];

void ps_map_guard_add(const void *base, size_t bytes, const char *path)
{
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t expected = FREE;

		if (!atomic_compare_exchange_strong(&slots[i].base, &expected, TAKEN))
			continue;
		atomic_store(&slots[i].bytes, bytes);
		atomic_store(&slots[i].path, path);
		atomic_store(&slots[i].base, (uintptr_t)base);
		return;
	}
}

void ps_map_guard_remove(const void *base)
{
	for (size_t i = 0; i < SLOTS; i++) {
		uintptr_t expected = (uintptr_t)base;

		if (atomic_compare_exchange_strong(&slots[i].base, &expected, FREE))
			return;
	}
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
