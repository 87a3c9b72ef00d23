/* tools/run/code_version.h: the version of the code behind each command.
 *
 * Raise a command's number when the same inputs and options would give other bits. It stands in the provenance of
 * what the command writes and in the key of the study's step, so that an upgrade redoes what it changed and no more. */
#ifndef PS_TOOLS_RUN_CODE_VERSION_H
#define PS_TOOLS_RUN_CODE_VERSION_H

/* The number of a command that is in the table; asking for another name is a mistake in the program. */
int ps_code_version(const char *command);

#endif
