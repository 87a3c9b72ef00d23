/* tools/args/help.h: the help of a command, as a terminal shows it: 80 columns, options in groups
 * with their units and defaults. */
#ifndef PS_TOOLS_ARGS_HELP_H
#define PS_TOOLS_ARGS_HELP_H

#include <stdio.h>

#include "tools/args/page.h"

/* Writes usage, text, all rows of the tables, and the examples. */
void ps_help_write(FILE *out, const ps_page *page);
/* Writes the examples alone. */
void ps_help_examples(FILE *out, const ps_page *page);
/* Writes words of text from column `indent` on, in lines of at most 80 columns, and ends the last
 * one. The first line stands at `column` already. */
void ps_help_wrap(FILE *out, const char *text, size_t column, size_t indent);

#endif
