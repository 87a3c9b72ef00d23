/* tools/shard_json.h: JSON for shardinfo, which has nothing to tidy up. Without memory these
 * functions say so and end the program with exit status 5. */
#ifndef PS_TOOLS_SHARD_JSON_H
#define PS_TOOLS_SHARD_JSON_H

#include "core/base/json.h"

/* Returns value, which is not NULL then. */
json_t *ps_shard_made(json_t *value);
/* Puts value under the key and takes it over. NULL: there was no memory for it. */
void ps_shard_put(json_t *object, const char *key, json_t *value);
/* The list under the key, made if it is missing. Borrowed. */
json_t *ps_shard_list(json_t *object, const char *key);
/* Appends value and takes it over. NULL: there was no memory for it. */
void ps_shard_append(json_t *list, json_t *value);
/* The JSON text, to be freed. flags: jansson's. */
char *ps_shard_text(const json_t *value, size_t flags);

/* Adds {what} to the entry's problems: the entry is not ok. */
void ps_shard_add_problem(json_t *entry, const char *what);

/* Ends the program if rc is PS_EBUDGET, or if jansson ever lacked memory. */
void ps_shard_check_memory(int rc);

#endif
