/* The graph as JSON: for each step its command, what it reads and writes, its key and its cost. */
#include <stdlib.h>
#include <string.h>

#include "core/base/utf8.h"
#include "io/file.h"
#include "tools/study/emission.h"

/* The command that does exactly this step, as an argument list. It names the matrix kernel: on a
 * CPU that has another one it fails. */
static json_t *command_json(const ps_emission *e, const ps_node *n)
{
	const ps_graph *g = e->graph;

	return json_pack("[s, s, s, s, s, s, s, s, s, s*, s*, s, s]", e->program, "study", g->path,
			 "-o", g->out, "--precision", ps_precision_name(g->session->precision),
			 "--kernel", e->kernel, e->options->force ? "--force" : NULL,
			 e->options->keep_caches ? "--keep-caches" : NULL, "--only", n->id);
}

/* Notes a path that a step's arguments name. */
static json_t *note_path(void *paths, const char *path, ps_argument_role role)
{
	(void)role;
	return json_array_append_new(paths, json_string(path)) ? NULL : json_null();
}

static bool holds(const json_t *paths, const char *path)
{
	const json_t *value;
	size_t i;

	json_array_foreach (paths, i, value)
		if (!strcmp(json_string_value(value), path))
			return true;
	return false;
}

/* What the step reads: the study file, the paths in its arguments (texts, models, other steps'
 * outputs), and the records of the steps before it. A step without arguments reads also all
 * outputs of those. */
static json_t *inputs_json(const ps_graph *g, const ps_node *n)
{
	json_t *list = json_pack("[s]", g->path), *ignored = NULL;
	const ps_argument_table *table = n->kind->arguments;
	int rc = list ? 0 : -1;

	if (!rc && table)
		rc = ps_arguments_json(table, n->args, note_path, list, &ignored,
				       &g->session->diag);
	json_decref(ignored);
	for (size_t i = 0; i < n->after_count && !rc; i++) {
		const ps_node *input = &g->nodes[n->after[i]];

		if (!table && input->output)
			rc = json_array_append_new(list, json_string(input->output));
		if (!rc && (!table || !holds(list, input->record)))
			rc = json_array_append_new(list, json_string(input->record));
	}
	if (!rc)
		return list;
	json_decref(list);
	return NULL;
}

static json_t *after_json(const ps_graph *g, const ps_node *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->after_count && list; i++)
		if (json_array_append_new(list, json_string(g->nodes[n->after[i]].id))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* The output, what is made beside it, and the record. */
static json_t *outputs_json(const ps_node *n)
{
	json_t *list = json_pack("[s*]", n->output);
	const char *extra;
	int lost = !list;

	for (size_t i = 0; (extra = n->beside[i]) && !lost; i++)
		lost = json_array_append_new(list, json_string(extra));
	if (!lost && !json_array_append_new(list, json_string(n->record)))
		return list;
	json_decref(list);
	return NULL;
}

static json_t *step_json(const ps_emission *e, const ps_node *n)
{
	const ps_graph *g = e->graph;
	const ps_cost cost = ps_cost_of(g, n);
	const uint64_t memory =
		cost.memory_bytes ? cost.memory_bytes : (uint64_t)g->session->memory_bytes;
	char reason[160];

	ps_graph_reason(g, n, reason, sizeof reason);
	/* json_pack takes the inner values over, also where it fails. */
	return json_pack("{s:s, s:o, s:o, s:o, s:s, s:b, s:s, s:o, s:I, s:I, s:o}", "id", n->id,
			 "command", command_json(e, n), "inputs", inputs_json(g, n), "outputs",
			 outputs_json(n), "key", n->key, "done", !ps_graph_wanted(g, n), "reason",
			 reason, "seconds", ps_number_json(cost.seconds), "memory_bytes",
			 (json_int_t)memory, "disk_bytes", (json_int_t)cost.disk_bytes, "after",
			 after_json(g, n));
}

/* The commands are of no use if JSON cannot say a path as it is. */
static int check_paths(const ps_emission *e)
{
	const char *const paths[] = {e->program, e->graph->path, e->graph->out};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (ps_utf8_invalid(paths[i], strlen(paths[i])) < strlen(paths[i]))
			return ps_fail(&e->graph->session->diag, PS_EUSAGE,
				       "%s: the path is not UTF-8, so JSON cannot name it",
				       paths[i]);
	return 0;
}

int ps_emit_json(const ps_emission *e)
{
	const ps_graph *g = e->graph;
	json_t *steps = json_array();
	json_t *whole = json_pack("{s:s, s:s, s:s, s:{s:s}, s:O}", "study", g->path, "folder",
				  g->out, "kernel", e->kernel, "environment", "PRUNESCOPE_MATMUL",
				  e->kernel_row, "steps", steps);
	char *text;
	int rc = check_paths(e), failed = rc || !whole;

	for (size_t i = 0; i < g->count && !failed; i++)
		failed = json_array_append_new(steps, step_json(e, &g->nodes[i]));
	json_decref(steps);
	text = failed ? NULL : ps_json_text(whole, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	json_decref(whole);
	if (rc)
		return rc;
	if (!text)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the graph");
	fprintf(e->out, "%s\n", text);
	free(text);
	return 0;
}
