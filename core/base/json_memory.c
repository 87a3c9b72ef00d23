/* The flag is global because jansson's allocation functions are, and they take no context. */
#include "core/base/json_memory.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_bool lost;
static _Thread_local jmp_buf *parser; /* where the thread's parser is left; NULL: none runs */

static void *watched(size_t bytes)
{
	void *memory = malloc(bytes);

	if (memory)
		return memory;
	atomic_store(&lost, true);
	if (parser)
		longjmp(*parser, 1);
	return NULL;
}

void ps_json_memory_watch(void)
{
	atomic_store(&lost, false);
	json_set_alloc_funcs(watched, free);
}

int ps_json_memory_check(ps_diag *diag)
{
	return atomic_load(&lost) ? ps_fail(diag, PS_EBUDGET, "no memory for JSON") : 0;
}

json_t *ps_json_load(const char *text, size_t length, json_error_t *error)
{
	json_t *value;
	jmp_buf failed;

	if (setjmp(failed)) {
		parser = NULL;
		*error = (json_error_t){.line = -1, .column = -1};
		/* Where json_error_code looks for it. */
		error->text[sizeof error->text - 1] = (char)json_error_out_of_memory;
		return NULL;
	}
	parser = &failed;
	value = json_loadb(text, length, JSON_REJECT_DUPLICATES, error);
	parser = NULL;
	return value;
}
