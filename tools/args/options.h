/* tools/args/options.h: reads a command line by a table of options. The same table gives the help,
 * the man page and the completion (page.h), so an option cannot be in one of them alone.
 *
 * A row is an argument, an option, or the title of a group. Rows up to the next title belong to the
 * group.
 *
 * - An argument stands by itself. ARGUMENTS, the last row of its kind, takes all that are left. If
 *   it has no value, they are not stored: a caller whose arguments are without number goes through
 *   argv again, past what begins with '-'.
 * - An option's value follows it: "--name value" or "--name=value".
 * - LIST takes every argument up to the next one that begins with '-', INTS and REALS every number
 *   that follows, TEXTS and WORDS one argument. All of them may be repeated, and add to what is
 *   there.
 * - A TEXT, such as the name of an input, is given once. Of a number the last one counts.
 * - "--" ends the options.
 * - A number is a number as a whole (core/base/number.h) and lies in its option's range.
 * - A WORD is one of those that its row lists, and so is each of WORDS.
 * - An empty value is none, and neither is the name of another option.
 * A mistake is PS_EUSAGE, and the message names the option, its value and what is right. */
#ifndef PS_TOOLS_ARGS_OPTIONS_H
#define PS_TOOLS_ARGS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/error.h"
#include "core/base/number.h"
#include "tools/run/lists.h"

typedef enum ps_option_kind {
	PS_OPTION_FLAG,      /* bool */
	PS_OPTION_TEXT,      /* const char * */
	PS_OPTION_WORD,      /* const char * */
	PS_OPTION_INT,       /* int64_t */
	PS_OPTION_REAL,      /* double */
	PS_OPTION_SIZE,      /* size_t, as ps_size_parse */
	PS_OPTION_LIST,      /* ps_text_list */
	PS_OPTION_TEXTS,     /* ps_text_list */
	PS_OPTION_WORDS,     /* ps_text_list */
	PS_OPTION_INTS,      /* ps_int_list */
	PS_OPTION_REALS,     /* ps_real_list */
	PS_OPTION_ARGUMENT,  /* const char * */
	PS_OPTION_ARGUMENTS, /* ps_text_list */
	PS_OPTION_GROUP,     /* a title; it has no value */
} ps_option_kind;

/* What is added to a kind. */
enum {
	/* Of any but FLAG and GROUP: the command cannot do without. An INT or REAL counts as given
	 * once it is in its range. */
	PS_OPTION_WANTED = 1 << 4,
	/* The range of an INT, INTS, REAL or REALS. Without one any number will do. */
	PS_OPTION_POSITIVE = 1 << 5, /* whole: at least 1; real: above 0 */
	PS_OPTION_NATURAL = 1 << 6,  /* at least 0 */
	PS_OPTION_SHARE = 1 << 7,    /* 0 to 1, or with % */
	PS_OPTION_BELOW_1 = 1 << 8,  /* at least 0 and below 1, or with % */
	PS_OPTION_INSIDE = 1 << 9,   /* above 0 and below 1 */
	PS_OPTION_COUNT = 1 << 10,   /* 1 to 2^31 - 1: sizes that are multiplied with others */
};

typedef struct ps_option {
	const char *name; /* "--window", "-o"; "MODEL" of an argument; "Text" of a group */
	unsigned kind;    /* a ps_option_kind, with what is added to it */
	void *value;      /* of the type that the kind says; untouched when the option is absent */
	/* What stands for the value: "N", "FILE". Of a WORD or WORDS the words: "none|window".
	 * NULL: a flag, an argument or a group. */
	const char *argument;
	const char *help; /* one line: "ids per window" */
	const char *unit; /* of a number: "token ids"; NULL: none */
	/* What holds when the option is absent, in words; NULL: *value says it before the command
	 * line is read, if it is a value that the option may have. */
	const char *usual;
} ps_option;

#define PS_OPTION_TITLE(title) ((ps_option){.name = (title), .kind = PS_OPTION_GROUP})
#define PS_OPTION_END ((ps_option){.name = NULL})

/* The kind, without what is added to it. */
static inline ps_option_kind ps_option_kind_of(const ps_option *option)
{
	return (ps_option_kind)(option->kind & 15u);
}
static inline bool ps_option_is_real(const ps_option *option)
{
	const ps_option_kind kind = ps_option_kind_of(option);

	return kind == PS_OPTION_REAL || kind == PS_OPTION_REALS;
}
static inline bool ps_option_is_word(const ps_option *option)
{
	const ps_option_kind kind = ps_option_kind_of(option);

	return kind == PS_OPTION_WORD || kind == PS_OPTION_WORDS;
}
/* Whether a row begins with '-' on a command line. */
static inline bool ps_option_is_named(const ps_option *option)
{
	return ps_option_kind_of(option) < PS_OPTION_ARGUMENT;
}

/* The tables of a command, and what is parsed by them. */
typedef struct ps_options {
	const ps_option *const *tables; /* (count), each ends with a NULL name */
	size_t count;
	/* Set if an option is in no table: the argument, with "=value" or not. */
	const char *unknown;
} ps_options;

/* Fills the values of options and arguments. If options->unknown is set, diag holds no message yet:
 * only the caller knows other commands' options. */
int ps_options_parse(ps_options *options, int argc, char **argv, ps_diag *diag) PS_MUST_USE;

/* The option of that name, which has `length` bytes; NULL: there is none. */
const ps_option *ps_options_find(const ps_options *options, const char *name, size_t length);
/* The name of an option that is near to a mistyped one; NULL: none is. */
const char *ps_options_nearest(const ps_options *options, const char *name);

/* PS_EUSAGE naming the first wanted argument or option that was not given: "-o is missing". */
int ps_options_check(const ps_options *options, ps_diag *diag) PS_MUST_USE;

/* The range that a number must lie in. False: any number will do, or it is none. */
bool ps_option_range(const ps_option *option, ps_range *range);
/* Writes what holds when the option is absent into out, and returns out: "256", or "" where nothing
 * does. Before the command line is read. */
char *ps_option_usual(const ps_option *option, char *out, size_t size);

#endif
