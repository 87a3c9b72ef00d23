/* tools/cli/options.h: reads a command line by a table of options. What is no option is a
 * positional argument.
 *
 * - An option's value follows it: "--name value" or "--name=value".
 * - LIST takes every argument up to the next one that begins with '-', INTS every number that
 *   follows, TEXTS one argument. All three may be repeated.
 * - "--" ends the options.
 * A mistake is PS_EUSAGE. An option that is not known is answered with the nearest one that is. */
#ifndef PS_TOOLS_CLI_OPTIONS_H
#define PS_TOOLS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "tools/run/lists.h"

typedef enum ps_option_kind {
	PS_OPTION_FLAG,  /* bool */
	PS_OPTION_TEXT,  /* const char * */
	PS_OPTION_INT,   /* int64_t */
	PS_OPTION_REAL,  /* double */
	PS_OPTION_SIZE,  /* size_t, as ps_size_parse */
	PS_OPTION_LIST,  /* ps_text_list */
	PS_OPTION_TEXTS, /* ps_text_list */
	PS_OPTION_INTS,  /* ps_int_list */
	PS_OPTION_WANTED =
		16, /* added to TEXT, LIST, TEXTS or INTS: the command cannot do without */
} ps_option_kind;

typedef struct ps_option {
	const char *name; /* "--window", or "-o" */
	unsigned kind;    /* a ps_option_kind, with PS_OPTION_WANTED or without */
	void *value;      /* of the type that the kind says; untouched when the option is absent */
	const char *help; /* "N  ids per window" */
} ps_option;

/* Fills the options' values and the list of positional arguments. tables: count of them, each ends
 * with a NULL name. */
int ps_options_parse(int argc, char **argv, const ps_option *const *tables, size_t count,
		     ps_text_list *positional, ps_diag *diag) PS_MUST_USE;

/* PS_EUSAGE naming the first wanted option that was not given. */
int ps_options_check(const ps_option *table, ps_diag *diag) PS_MUST_USE;

/* Prints the options of a table to stdout, one a line. */
void ps_options_help(const ps_option *table);

#endif
