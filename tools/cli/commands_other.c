/* The command lines of commands that are not built yet. They say so with exit status 3. */
#include "tools/cli/cli.h"

static int refuse(ps_cli *cli, int argc, char **argv, json_t **result)
{
	(void)argc, (void)argv, (void)result;
	return ps_fail(&cli->session.diag, PS_EINPUT, "not built yet");
}

const ps_command ps_commands_other[] = {
	{.name = "doctor", .usage = "", .summary = "not built yet", .main = refuse},
	{.name = NULL},
};
