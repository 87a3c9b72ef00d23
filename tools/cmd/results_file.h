/* tools/cmd/results_file.h: reads a study's results.json. */
#ifndef PS_TOOLS_CMD_RESULTS_FILE_H
#define PS_TOOLS_CMD_RESULTS_FILE_H

#include "core/base/json.h"
#include "tools/run/session.h"

/* Reads FOLDER/results.json and compares it with its checksum, which *root then lacks. *root: a new
 * reference. PS_EINPUT: it is missing or damaged, and the message says how to make it anew.
 * PS_EBUDGET: it and what a report makes of it do not fit the budget, which is found before it is
 * read; or the largest file of cards that it names does not fit beside it. */
int ps_results_file_read(ps_session *session, const char *folder, json_t **root) PS_MUST_USE;

#endif
