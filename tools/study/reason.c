/* Why a step is to do: what differs between the inputs in its record and those it has now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/file.h"
#include "tools/study/graph.h"

/* Writes a value, cut so that it fits a line. */
static void format_value(const json_t *value, char *out, size_t size)
{
	char *text =
		value ? ps_json_text(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6))
		      : NULL;

	if (value && json_is_string(value))
		snprintf(out, size, "%s", json_string_value(value));
	else
		snprintf(out, size, "%s", text ? text : "none");
	free(text);
}

/* The node among those that n reads whose key the value is. NULL: there is none. */
static const ps_node *node_of_key(const ps_graph *g, const ps_node *n, const json_t *value)
{
	const char *key = json_string_value(value);

	for (size_t i = 0; i < n->after_count && key; i++)
		if (!strcmp(g->nodes[n->after[i]].key, key))
			return &g->nodes[n->after[i]];
	return NULL;
}

/* Describes how the member `name` differs. */
static void describe(const ps_graph *g, const ps_node *n, const char *name, const json_t *then,
		     const json_t *now, char *out, size_t size)
{
	const ps_node *input = node_of_key(g, n, now);
	char before[48], after[48];

	format_value(then, before, sizeof before);
	format_value(now, after, sizeof after);
	if (input)
		snprintf(out, size, "%s is another one now (%s)", name, input->id);
	else
		snprintf(out, size, "%s: %s -> %s", name, before, after);
}

/* Describes the first member that differs, options before inputs. False: none differs. */
static bool first_difference(const ps_graph *g, const ps_node *n, const json_t *then,
			     const json_t *now, char *out, size_t size)
{
	const char *name;
	json_t *value;

	for (int inputs = 0; inputs < 2; inputs++)
		json_object_foreach ((json_t *)now, name, value) {
			const json_t *old = json_object_get(then, name);

			if (json_equal(old, value) || json_is_object(value) ||
			    (node_of_key(g, n, value) != NULL) != inputs)
				continue;
			describe(g, n, name, old, value, out, size);
			return true;
		}
	json_object_foreach ((json_t *)now, name, value)
		if (json_is_object(value) && !json_equal(json_object_get(then, name), value))
			return first_difference(g, n, json_object_get(then, name), value, out,
						size);
	return false;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void ps_graph_reason(const ps_graph *g, const ps_node *n, char *out, size_t size)
{
	const ps_node *input = ps_graph_missing(g, n);

	if (n->state == PS_NODE_DONE)
		snprintf(out, size, "done");
	else if (!ps_graph_wanted(g, n))
		snprintf(out, size, "not needed any more");
	else if (n->damaged)
		snprintf(out, size, "its record is damaged");
	else if (n->state == PS_NODE_STALE && first_difference(g, n, n->past, n->inputs, out, size))
		return;
	else if (n->state == PS_NODE_GONE)
		snprintf(out, size, "a step that reads it is to do");
	else if (n->past && n->output)
		snprintf(out, size, n->folder ? "%s is missing or not whole" : "%s is missing",
			 file_name(n->output));
	else if (input && input->past)
		snprintf(out, size, "%s is to do", input->id);
	else
		snprintf(out, size, "new");
}
