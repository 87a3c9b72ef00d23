/* tools/args/man.h: a page as a man page, in roff's man macros. */
#ifndef PS_TOOLS_ARGS_MAN_H
#define PS_TOOLS_ARGS_MAN_H

#include <stdio.h>

#include "tools/args/page.h"

/* Writes the whole page. exit_text: the section EXIT STATUS; NULL: it has none. */
void ps_man_write(FILE *out, const ps_page *page, const char *exit_text);

#endif
