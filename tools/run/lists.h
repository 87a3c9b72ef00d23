/* tools/run/lists.h: lists of words and of numbers, as commands take them in their arguments.
 *
 * They have a fixed size, so that arguments are plain structs that need no clean-up. */
#ifndef PS_TOOLS_RUN_LISTS_H
#define PS_TOOLS_RUN_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PS_LIST_MAX 64 /* entries */

typedef struct ps_text_list {
	size_t count;
	const char *item[PS_LIST_MAX]; /* borrowed from the command line, or from the caller */
} ps_text_list;

static inline bool ps_text_list_has(const ps_text_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->item[i], text))
			return true;
	return false;
}

typedef struct ps_int_list {
	size_t count;
	int64_t item[PS_LIST_MAX];
} ps_int_list;

typedef struct ps_real_list {
	size_t count;
	double item[PS_LIST_MAX];
} ps_real_list;

#endif
