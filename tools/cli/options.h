/* tools/cli/options.h: reads a command line by a table of options. What is no option is a
 * positional argument.
 *
 * - An option's value follows it: "--name value" or "--name=value".
 * - LIST takes every argument up to the next one that begins with '-', INTS every number that
 *   follows, TEXTS one argument. All three may be repeated, and add to what is there.
 * - A TEXT, such as the name of an input, is given once. Of a number the last one counts.
 * - "--" ends the options.
 * - A number is a number as a whole (core/base/number.h) and lies in its option's range.
 * - An empty value is none, and neither is the name of another option.
 * A mistake is PS_EUSAGE, and the message names the option, its value and what is right. */
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
	PS_OPTION_KINDS, /* how many kinds there are */
	/* Added to TEXT, LIST, TEXTS or INTS: the command cannot do without. */
	PS_OPTION_WANTED = 1 << 4,
	/* The range of a number, added to INT, INTS or REAL. Without one any number will do. */
	PS_OPTION_POSITIVE = 1 << 5, /* whole: at least 1; real: above 0 */
	PS_OPTION_NATURAL = 1 << 6,  /* at least 0 */
	PS_OPTION_SHARE = 1 << 7,    /* 0 to 1, or with % */
	PS_OPTION_BELOW_1 = 1 << 8,  /* at least 0 and below 1, or with % */
	PS_OPTION_INSIDE = 1 << 9,   /* above 0 and below 1 */
	PS_OPTION_COUNT = 1 << 10,   /* 1 to 2^31 - 1: sizes that are multiplied with others */
} ps_option_kind;

typedef struct ps_option {
	const char *name; /* "--window", or "-o" */
	unsigned kind;    /* a ps_option_kind, with what is added to it */
	void *value;      /* of the type that the kind says; untouched when the option is absent */
	const char *help; /* "N  ids per window" */
} ps_option;

/* The tables of a command, and what is parsed by them. */
typedef struct ps_options {
	const ps_option *const *tables; /* (count), each ends with a NULL name */
	size_t count;
	const char
		*unknown; /* set if an option is in no table: the argument, with "=value" or not */
} ps_options;

/* Fills the options' values and the list of positional arguments. If options->unknown is set, diag
 * holds no message yet: only the caller knows other commands' options. */
int ps_options_parse(ps_options *options, int argc, char **argv, ps_text_list *positional,
		     ps_diag *diag) PS_MUST_USE;

/* The option of that name, which has `length` bytes; NULL: there is none. */
const ps_option *ps_options_find(const ps_options *options, const char *name, size_t length);
/* The name of an option that is near to a mistyped one; NULL: none is. */
const char *ps_options_nearest(const ps_options *options, const char *name);

/* PS_EUSAGE naming the first wanted option that was not given. */
int ps_options_check(const ps_option *table, ps_diag *diag) PS_MUST_USE;

/* Prints the options of a table to stdout, one a line. */
void ps_options_help(const ps_option *table);

#endif
