/* tools/args/complete.h: scripts with which a shell completes the command line of a program:
 * commands, options, the words of an option, and files for all else. */
#ifndef PS_TOOLS_ARGS_COMPLETE_H
#define PS_TOOLS_ARGS_COMPLETE_H

#include <stdio.h>

#include "tools/args/page.h"

typedef enum ps_shell { PS_SHELL_BASH, PS_SHELL_ZSH, PS_SHELL_FISH, PS_SHELLS } ps_shell;
/* Of "bash", "zsh" or "fish"; PS_SHELLS of another name. */
ps_shell ps_shell_find(const char *name);

/* The script of prunescope: begin, a page for each command, end. */
void ps_complete_begin(FILE *out, ps_shell shell);
void ps_complete_page(FILE *out, ps_shell shell, const ps_page *page);
/* commands (count): the names of all, in the order of their pages, and what each does. */
void ps_complete_end(FILE *out, ps_shell shell, const char *const *commands,
		     const char *const *summaries, size_t count);

/* The script of a program without commands. page->name is NULL. */
void ps_complete_alone(FILE *out, ps_shell shell, const ps_page *page);

#endif
