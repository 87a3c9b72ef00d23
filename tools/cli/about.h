/* tools/cli/about.h: what the program says of itself: help, version, examples. */
#ifndef PS_TOOLS_CLI_ABOUT_H
#define PS_TOOLS_CLI_ABOUT_H

#include <stdbool.h>

/* Answers a command line (argc arguments behind the program's name) that asks about the program:
 *
 *   (nothing), help, --help, -h [--json]   the commands
 *   help COMMAND                           as COMMAND --help
 *   help study-file, help files            topics of the manual
 *   help --pages, help --page NAME         names of the man pages; one of them
 *   help --completion bash|zsh|fish        the shell's completion script
 *   version, --version [--json]            version, commit, libraries, kernels
 *   --examples                             the examples of all commands
 *
 * *status: of the process. False: it is a command's. */
bool ps_about(int argc, char **argv, int *status);

/* Says that there is no such command, and which one is near. Returns the exit status, 2. */
int ps_about_unknown(const char *name);

#endif
