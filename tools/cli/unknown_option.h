/* tools/cli/unknown_option.h: what to say of an option that a command does not have. */
#ifndef PS_TOOLS_CLI_UNKNOWN_OPTION_H
#define PS_TOOLS_CLI_UNKNOWN_OPTION_H

#include "tools/cli/cli.h"

/* PS_EUSAGE. The message is the first of these that there is:
 * - what stands for an option that other programs have ("--device");
 * - the commands that have the option;
 * - the option of this command, then of another one, that it was probably meant to be.
 * A command whose settings are elsewhere says where (ps_command.settings) instead of naming others.
 * options->unknown is the argument. cli->groups: all commands. */
int ps_cli_refuse_unknown(ps_cli *cli, const ps_options *options) PS_MUST_USE;

#endif
