/* Why a step is to do: what differs between the inputs in its record and those it has now. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/checksums.h"
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

static bool is_digest(const json_t *value)
{
	uint64_t ignored;

	return !ps_checksum_parse(json_string_value(value), &ignored);
}

/* Whether the value, or one within it, equals the digest. */
static bool contains(const json_t *value, const json_t *digest)
{
	const char *name;
	json_t *inner;

	if (json_equal(value, digest))
		return true;
	json_object_foreach ((json_t *)value, name, inner)
		if (contains(inner, digest))
			return true;
	return false;
}

/* The text or model whose digest the value is. NULL: there is none. */
static const char *source_of_digest(const ps_graph *g, const json_t *value)
{
	const char *path;
	json_t *identity;

	json_object_foreach (g->identity, path, identity)
		if (json_object_get(g->states, path) && contains(identity, value))
			return path;
	return NULL;
}

/* Describes how the member `name` differs. A digest says nothing to anybody: what it is of is named
 * instead. */
static void describe(const ps_graph *g, const ps_node *n, const char *name, const json_t *then,
		     const json_t *now, char *out, size_t size)
{
	const ps_node *input = node_of_key(g, n, now);
	const char *source = is_digest(now) ? source_of_digest(g, now) : NULL;
	char before[48], after[48];

	format_value(then, before, sizeof before);
	format_value(now, after, sizeof after);
	if (input && !then)
		snprintf(out, size, "%s is read now too", input->id);
	else if (input && !strcmp(name, input->id))
		snprintf(out, size, "%s is another one now", name);
	else if (input)
		snprintf(out, size, "%s is another one now (%s)", name, input->id);
	else if (source)
		snprintf(out, size, "%s: %s has changed, or is another file", name, source);
	else if (is_digest(now) || is_digest(then))
		snprintf(out, size, "%s is another one now", name);
	else
		snprintf(out, size, "%s: %s -> %s", name, before, after);
}

/* Goes from two lists to the first pair of digests in them that differs. Other values stay. */
static void to_digests(const json_t **then, const json_t **now)
{
	for (size_t i = 0; i < json_array_size(*now) && i < json_array_size(*then); i++) {
		const json_t *before = json_array_get(*then, i), *after = json_array_get(*now, i);

		if (json_equal(before, after))
			continue;
		to_digests(&before, &after);
		if (!is_digest(after))
			return;
		*then = before;
		*now = after;
	}
}

/* Describes the first member that differs, options before inputs. False: none differs. */
static bool first_difference(const ps_graph *g, const ps_node *n, const json_t *then,
			     const json_t *now, char *out, size_t size)
{
	const char *name;
	json_t *value;

	for (int inputs = 0; inputs < 2; inputs++)
		json_object_foreach ((json_t *)now, name, value) {
			const json_t *before = json_object_get(then, name), *after = value;

			if (json_equal(before, after) || json_is_object(after))
				continue;
			to_digests(&before, &after);
			if ((node_of_key(g, n, after) != NULL) != inputs)
				continue;
			describe(g, n, name, before, after, out, size);
			return true;
		}
	json_object_foreach ((json_t *)now, name, value)
		if (json_is_object(value) && !json_equal(json_object_get(then, name), value))
			return first_difference(g, n, json_object_get(then, name), value, out,
						size);
	return false;
}

/* Whether a step that reads this one's output has a record: then this one was done once. */
static bool was_read(const ps_graph *g, const ps_node *n)
{
	for (size_t i = 0; i < g->count; i++)
		for (size_t j = 0; j < g->nodes[i].after_count && g->nodes[i].past; j++)
			if (&g->nodes[g->nodes[i].after[j]] == n)
				return true;
	return false;
}

void ps_graph_reason(const ps_graph *g, const ps_node *n, char *out, size_t size)
{
	const ps_node *input = ps_graph_missing(g, n);

	if (n->state == PS_NODE_DONE)
		snprintf(out, size, "done");
	else if (!ps_graph_wanted(g, n))
		snprintf(out, size, "not needed any more");
	else if (n->state == PS_NODE_STALE && first_difference(g, n, n->past, n->inputs, out, size))
		return;
	else if (n->state == PS_NODE_GONE && ps_graph_is_read(g, n))
		snprintf(out, size, "a step that reads it is to do");
	else if (*n->fault)
		snprintf(out, size, "%s", n->fault);
	else if (input && input->past)
		snprintf(out, size, "%s is to do", input->id);
	else if (n->kind->transient && was_read(g, n))
		snprintf(out, size, "removed after its last reader (--keep-caches keeps it)");
	else
		snprintf(out, size, "new");
}
