/* tools/run/code_version.h: the version of the code behind each command.
 *
 * Raise a command's number when the same inputs and options give other bits than before. The
 * number is part of the provenance of what the command writes, and of the key of a study's step.
 * So an upgrade redoes what it changed, and nothing else. */
#ifndef PS_TOOLS_RUN_CODE_VERSION_H
#define PS_TOOLS_RUN_CODE_VERSION_H

/* The number of a command ("train"). A name that is not in the table is a mistake in the program:
 * it asserts. */
int ps_code_version(const char *command);

#endif
