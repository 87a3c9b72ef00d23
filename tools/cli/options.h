/* tools/cli/options.h: command lines. A table of options per command; what is left over is positional.
 *
 * "--name value" and "--name=value"; LIST options take every following argument up to the next one that begins
 * with '-', INTS options every following number, TEXTS options one; all three may be repeated. "--" ends the options.
 * Mistakes are PS_EUSAGE with the nearest known option named. */
#ifndef PS_TOOLS_CLI_OPTIONS_H
#define PS_TOOLS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "tools/run/lists.h"

typedef enum ps_option_kind {
	PS_OPTION_FLAG,        /* bool */
	PS_OPTION_TEXT,        /* const char * */
	PS_OPTION_INT,         /* int64_t */
	PS_OPTION_REAL,        /* double */
	PS_OPTION_SIZE,        /* size_t, as ps_size_parse */
	PS_OPTION_LIST,        /* ps_text_list */
	PS_OPTION_TEXTS,       /* ps_text_list */
	PS_OPTION_INTS,        /* ps_int_list */
	PS_OPTION_WANTED = 16, /* with TEXT, LIST, TEXTS or INTS: the command cannot do without */
} ps_option_kind;

typedef struct ps_option {
	const char *name; /* "--window", or "-o" */
	unsigned kind;    /* a ps_option_kind, with PS_OPTION_WANTED or without */
	void *value;
	const char *help; /* "N  ids per window" */
} ps_option;

/* Fills the values and the positional list. tables: count lists of options, each ended by a NULL name. */
int ps_options_parse(int argc, char **argv, const ps_option *const *tables, size_t count,
		     ps_text_list *positional, ps_diag *diag) PS_MUST_USE;

/* PS_EUSAGE naming the first wanted option that was not given. */
int ps_options_check(const ps_option *table, ps_diag *diag) PS_MUST_USE;

/* Prints a table's options to stdout. */
void ps_options_help(const ps_option *table);

#endif
