/* All commands. cli.c gets them from its caller: the commands call it, and must not be called by
 * it. */
#include <string.h>

#include "tools/cli/cli.h"

const ps_command_group ps_command_groups[] = {
	{"Models", ps_commands_model},
	{"Models", ps_commands_prune},
	{"SAEs", ps_commands_train},
	{"SAEs", ps_commands_sae},
	{"Findings", ps_commands_findings},
	{"Findings", ps_commands_features},
	{"Whole studies", ps_commands_study},
	{"This machine", ps_commands_other},
	{NULL, NULL},
};

const ps_command *ps_command_find(const char *name)
{
	for (const ps_command_group *g = ps_command_groups; g->title; g++)
		for (const ps_command *c = g->commands; c->name; c++)
			if (!strcmp(c->name, name))
				return c;
	return NULL;
}
