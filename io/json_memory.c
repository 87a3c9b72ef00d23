/* The flag is global because jansson's allocation functions are, and they take no context. */
#include "io/json_memory.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/base/json.h"

static atomic_bool lost;

static void *watched(size_t bytes)
{
	void *memory = malloc(bytes);

	if (!memory)
		atomic_store(&lost, true);
	return memory;
}

void ps_json_memory_watch(void)
{
	json_set_alloc_funcs(watched, free);
}

int ps_json_memory_check(ps_diag *diag)
{
	return atomic_load(&lost) ? ps_fail(diag, PS_EBUDGET, "no memory for JSON") : 0;
}
