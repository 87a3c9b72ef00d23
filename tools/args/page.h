/* tools/args/page.h: what a command says of itself. Its help (help.h), its man page (man.h) and its
 * completion (complete.h) are written from this one description. */
#ifndef PS_TOOLS_ARGS_PAGE_H
#define PS_TOOLS_ARGS_PAGE_H

#include "tools/args/options.h"

/* A command line, or lines of a file, and what they do. */
typedef struct ps_example {
	const char *command, *what;
} ps_example;

typedef struct ps_page {
	int section;         /* of the manual: 1 commands, 5 files */
	const char *program; /* "prunescope" */
	const char *name;    /* the command, or the topic; NULL: the page of the program */
	const char *usage;   /* "MODEL --text FILE"; NULL: it is no command */
	const char *summary; /* one line: "perplexity of a text" */
	const char *text;    /* sentences; an empty line stands between paragraphs */
	const ps_option *const *tables; /* (count), each ends with a NULL name */
	size_t count;
	const ps_example *examples; /* ends with a NULL command; NULL: none */
	const char *see;            /* further man pages: "prunescope(1)"; NULL: none */
} ps_page;

#define PS_NAME_TEXT 64
/* Writes the page's name in the manual, "prunescope-ppl", into out (PS_NAME_TEXT bytes). Returns
 * out. */
char *ps_page_name(const ps_page *page, char *out);
/* Writes the command as a user types it, "prunescope ppl", into out (PS_NAME_TEXT bytes). Returns
 * out. */
char *ps_page_command(const ps_page *page, char *out);

/* Whether a row of table t is shown. A command's own option hides the common one of its name, and
 * so does ps_options_parse. */
bool ps_page_shows(const ps_page *page, size_t t, const ps_option *row);

#define PS_PARAGRAPH 2048
/* Copies the first paragraph of a text to out (PS_PARAGRAPH bytes). Returns what follows it, ""
 * after the last one. */
const char *ps_page_paragraph(const char *text, char *out);

#define PS_DETAILS_TEXT 256
/* Writes the unit, range and default of an option into out (PS_DETAILS_TEXT bytes): "(default 1024
 * token ids)", or "" where there are none. Returns out. */
char *ps_page_details(const ps_option *option, char *out);

#endif
