/* tools/cli/print_values.h: results for a person, on stdout. */
#ifndef PS_TOOLS_CLI_PRINT_VALUES_H
#define PS_TOOLS_CLI_PRINT_VALUES_H

#include "core/base/json.h"

/* A line for each value that is no list and no object. */
void ps_print_values(const json_t *result);
/* The same, behind the list of objects under this key as a table, if there is one: a line for each
 * object, and a column for each value of the first one that is no list and no object. */
void ps_print_listed(const json_t *result, const char *key);

#endif
