/* tools/cli/cli.h: a command line: the command, its own options, and the options that all commands
 * share.
 *
 * Each command has a row in a table below: its name, its usage, and a function that reads its
 * options and runs it. The function calls ps_cli_begin first. */
#ifndef PS_TOOLS_CLI_CLI_H
#define PS_TOOLS_CLI_CLI_H

#include "tools/cli/options.h"
#include "tools/cmd/commands.h"

typedef struct ps_cli ps_cli;

typedef struct ps_command {
	const char *name, *usage, *summary;
	/* argv: the arguments behind the command's name. *result: a new object, printed by the
	 * caller; NULL: none. */
	int (*main)(ps_cli *cli, int argc, char **argv, json_t **result);
	void (*print)(const json_t *result); /* for a person; NULL: a line for each value */
} ps_command;

/* Each ends with a row without a name. */
extern const ps_command ps_commands_model[]; /* tokenize ppl logits calibrate prune export cache */
extern const ps_command ps_commands_train[]; /* train */
extern const ps_command ps_commands_sae[];   /* eval compare convert */
extern const ps_command ps_commands_findings[]; /* transfer ablate seeds survival */
extern const ps_command ps_commands_features[]; /* features */
extern const ps_command ps_commands_study[];    /* study report */
extern const ps_command ps_commands_other[];    /* doctor, which is not built yet */

struct ps_cli {
	ps_session session;
	bool force;
	int64_t seed;
	/* as they were given, before they are checked */
	int64_t threads;
	const char *precision, *backend;
	ps_option options[12];
	const ps_command *command;
	const ps_command *const *tables; /* of all commands; NULL at the end */
	bool helped;                     /* --help was answered */
	/* A question instead of a command line: has the command an option of this name? NULL: none
	 * is asked. ps_cli_begin answers it and fails, so that the command does nothing. */
	const char *asked;
	bool has_asked;
};

/* Defaults and the table of common options (cli->options). tables: of all commands, which are asked
 * whose an unknown option is; borrowed. */
void ps_cli_init(ps_cli *cli, const ps_command *command, const ps_command *const *tables);

/* Parses the options of the table and the common ones, checks that there are `least` to `most`
 * positional arguments and every wanted option, and starts the session. --help is answered here:
 * cli->helped is then set and the return value not 0. PS_EUSAGE says what is wrong with the command
 * line. */
int ps_cli_begin(ps_cli *cli, int argc, char **argv, const ps_option *table, size_t least,
		 size_t most, ps_text_list *positional) PS_MUST_USE;

/* --help of --changed-from, which several commands have. */
extern const char ps_changed_from_help[];

#endif
