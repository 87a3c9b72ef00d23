#include "tools/train/hook.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The first part of a name that is a number: its value, and *after is what follows it. NULL there
 * if the name ends with it. -1: no part is a number. */
static int find_number(const char *name, const char **after)
{
	for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
		char *end;
		long number;

		if (!isdigit((unsigned char)dot[1]))
			continue;
		number = strtol(dot + 1, &end, 10);
		if ((*end && *end != '.') || number > INT_MAX)
			continue;
		*after = *end ? end + 1 : NULL;
		return (int)number;
	}
	return -1;
}

int ps_hook_block(const char *name)
{
	const char *after;

	return find_number(name, &after);
}

ps_hook ps_hook_parse(const char *name)
{
	const char *after = NULL;
	const int number = find_number(name, &after);
	const ps_hook other = {PS_HOOK_OTHER, 0};

	if (!*name || !strcmp(name, "unknown"))
		return (ps_hook){PS_HOOK_UNSAID, 0};
	if (!strcmp(name, "hook_embed") || strstr(name, "embed_tokens"))
		return (ps_hook){PS_HOOK_EMBEDDING, 0};
	if (number < 0)
		return other;
	if (!after || !strcmp(after, "output"))
		return strstr(name, "layers.") || strstr(name, "h.")
			       ? (ps_hook){PS_HOOK_STREAM, number}
			       : other;
	if (!strcmp(after, "hook_resid_post") || !strcmp(after, "hook_out"))
		return (ps_hook){PS_HOOK_STREAM, number};
	if (strcmp(after, "hook_resid_pre") != 0 && strcmp(after, "hook_in") != 0)
		return other;
	if (!number)
		return (ps_hook){PS_HOOK_EMBEDDING, 0};
	return (ps_hook){PS_HOOK_STREAM, number - 1};
}
