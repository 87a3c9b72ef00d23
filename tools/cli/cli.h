/* tools/cli/cli.h: a command line: the command, its own options, and the options that all commands
 * share.
 *
 * Each command has a row in a table below: its name, what it says of itself, and a function that
 * reads its options and runs it. The function calls ps_cli_begin first. */
#ifndef PS_TOOLS_CLI_CLI_H
#define PS_TOOLS_CLI_CLI_H

#include "tools/args/page.h"
#include "tools/cmd/commands.h"

typedef struct ps_cli ps_cli;

typedef struct ps_command {
	const char *name;
	const char *usage;          /* what follows the name: "MODEL --text FILE [OPTION ...]" */
	const char *summary;        /* one line of the list of commands: "perplexity of a text" */
	const char *text;           /* what it does and when to use it; paragraphs, as in ps_page */
	const ps_example *examples; /* ends with a NULL command */
	const ps_option *printed;   /* a row for each value (printed.h); NULL: they need no words */
	const char *settings;       /* where settings are that are no options; NULL: nowhere */
	/* argv: the arguments behind the command's name. *result: a new object, printed by the
	 * caller; NULL: none. */
	int (*main)(ps_cli *cli, int argc, char **argv, json_t **result);
	void (*print)(const json_t *result); /* for a person; NULL: a line for each value */
} ps_command;

extern const ps_command ps_commands_model[];    /* tokenize ppl logits calibrate export cache */
extern const ps_command ps_commands_prune[];    /* prune */
extern const ps_command ps_commands_train[];    /* train */
extern const ps_command ps_commands_sae[];      /* eval compare convert */
extern const ps_command ps_commands_findings[]; /* transfer ablate seeds survival */
extern const ps_command ps_commands_features[]; /* features */
extern const ps_command ps_commands_study[];    /* study report */
extern const ps_command ps_commands_other[];    /* doctor */

/* Commands that are listed under one title. Neighbours may share it. */
typedef struct ps_command_group {
	const char *title;          /* NULL: the end of the groups */
	const ps_command *commands; /* ends with a row without a name */
} ps_command_group;
extern const ps_command_group ps_command_groups[];
/* The command of that name; NULL: there is none. */
const ps_command *ps_command_find(const char *name);

struct ps_cli {
	ps_session session;
	bool force;
	int64_t seed;
	/* as they were given, before they are checked */
	int64_t threads;
	const char *precision, *backend;
	ps_option options[14];
	const ps_command *command;
	const ps_command_group *groups; /* all commands, which are asked whose an option is */
	bool helped;                    /* --help or --examples was answered */
	/* Where the result stands once it is done: the value of -o. NULL: it is only printed. */
	const char *out;
	/* Instead of a command line: what gets the description of the command. ps_cli_begin calls
	 * it and fails, so that the command does nothing. NULL: there is a command line. */
	void (*visit)(const ps_page *page, void *visitor);
	void *visitor;
};

/* Defaults and the table of common options (cli->options). groups: all commands; NULL: the command
 * is only described. */
void ps_cli_init(ps_cli *cli, const ps_command *command, const ps_command_group *groups);

/* Parses the options of the table and the common ones, checks that all that is wanted is there, and
 * starts the session. The table ends with PS_OPTION_END and begins with a title. --help and
 * --examples are answered here: cli->helped is then set and the return value not 0. PS_EUSAGE says
 * what is wrong with the command line. */
int ps_cli_begin(ps_cli *cli, int argc, char **argv, const ps_option *table) PS_MUST_USE;

/* Calls visit with the description of a command, which holds during the call alone. */
void ps_cli_describe(const ps_command *command, void (*visit)(const ps_page *page, void *visitor),
		     void *visitor);

/* What several commands say of options of the same name. */
extern const char ps_help_model[], ps_help_tokens[], ps_help_mask[], ps_help_changed_from[],
	ps_help_dry_run[], ps_help_norm_cache[], ps_help_keep_special[], ps_help_two_caches[],
	ps_help_sae[];

#endif
