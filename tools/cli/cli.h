/* tools/cli/cli.h: a command line: which command, its options and those that all commands share. */
#ifndef PS_TOOLS_CLI_CLI_H
#define PS_TOOLS_CLI_CLI_H

#include "tools/cli/options.h"
#include "tools/cmd/commands.h"

typedef struct ps_cli ps_cli;

/* One entry of the table of commands. */
typedef struct ps_command {
	const char *name, *usage, *summary;
	int (*main)(ps_cli *cli, int argc, char **argv, json_t **result);
	void (*print)(const json_t *result); /* for a person; NULL: a line for each value */
} ps_command;

extern const ps_command
	ps_commands_model[]; /* tokenize ppl logits calibrate prune export cache, NULL-ended */
extern const ps_command ps_commands_sae[];      /* train eval compare convert */
extern const ps_command ps_commands_findings[]; /* transfer ablate seeds survival */
extern const ps_command ps_commands_study[];    /* study report */

struct ps_cli {
	ps_session session;
	bool force;
	int64_t seed;
	/* as given, before they are checked */
	int64_t threads;
	const char *precision, *backend;
	ps_option options[12];
	const ps_command *command;
	bool helped; /* --help was answered */
};

/* Defaults and the table of common options (cli->options). */
void ps_cli_init(ps_cli *cli, const ps_command *command);

/* Parses with the common options added, checks the number of positional arguments and the wanted options, and starts
 * the session. */
int ps_cli_begin(ps_cli *cli, int argc, char **argv, const ps_option *table, size_t least,
		 size_t most, ps_text_list *positional) PS_MUST_USE;

#endif
