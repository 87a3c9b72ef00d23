/* tools/cli/pages.h: the manual of prunescope: a page for the program, for each command, and for
 * the topics `study-file` and `files`. Pages are made from the tables by which command lines and
 * study files are read. */
#ifndef PS_TOOLS_CLI_PAGES_H
#define PS_TOOLS_CLI_PAGES_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/args/page.h"

/* A topic that is no command. */
typedef struct ps_topic {
	const char *name, *summary;
	void (*visit)(void (*visit)(const ps_page *page, void *visitor), void *visitor);
} ps_topic;
/* Ends with a NULL name. */
extern const ps_topic ps_topics[];

/* Prints the help of a topic to stdout. False: there is none of that name. */
bool ps_pages_help(const char *topic);
/* Prints the names of all man pages, one a line: "prunescope-ppl.1". */
void ps_pages_list(void);
/* Prints the man page of that name. False: there is none. */
bool ps_pages_man(const char *name);
/* Prints the completion script of a shell. False: the shell is not known. */
bool ps_pages_completion(const char *shell);

#endif
