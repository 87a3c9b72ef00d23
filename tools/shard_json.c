#include "tools/shard_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/error.h"
#include "core/base/json_memory.h"
#include "io/file.h"

static void need(bool there)
{
	if (there)
		return;
	fputs("shardinfo: no memory\n", stderr);
	exit(ps_exit_code(PS_EBUDGET));
}

json_t *ps_shard_made(json_t *value)
{
	need(value != NULL);
	return value;
}

void ps_shard_put(json_t *object, const char *key, json_t *value)
{
	need(!json_object_set_new(object, key, value));
}

json_t *ps_shard_list(json_t *object, const char *key)
{
	json_t *list = json_object_get(object, key);

	if (!list) {
		list = ps_shard_made(json_array());
		ps_shard_put(object, key, list);
	}
	return list;
}

void ps_shard_append(json_t *list, json_t *value)
{
	need(!json_array_append_new(list, value));
}

char *ps_shard_text(const json_t *value, size_t flags)
{
	char *text = ps_json_text(value, flags);

	need(text != NULL);
	return text;
}

void ps_shard_add_problem(json_t *entry, const char *what)
{
	ps_shard_put(entry, "ok", json_false());
	ps_shard_append(ps_shard_list(entry, "problems"),
			json_pack("{s:o}", "what", ps_text_json(what)));
}

void ps_shard_check_memory(int rc)
{
	need(rc != PS_EBUDGET && !ps_json_memory_check(NULL));
}
