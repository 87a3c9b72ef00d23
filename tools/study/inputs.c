#include "tools/study/inputs.h"

#include <string.h>

#include "tools/study/outputs.h"
#include "tools/study/sources.h"

/* A walk over the paths that a node's arguments name. */
struct walk {
	ps_graph *g;
	int rc;
};

static json_t *check_path(void *context, const char *path, ps_argument_role role)
{
	struct walk *w = context;

	(void)role;
	w->rc = ps_source_check(w->g, path);
	return w->rc ? NULL : json_null();
}

/* The texts and models that the node reads. */
static int check_sources(ps_graph *g, const ps_node *n)
{
	struct walk w = {.g = g};
	json_t *ignored = NULL;
	int rc;

	if (!n->kind->arguments)
		return 0;
	rc = ps_arguments_json(n->kind->arguments, n->args, check_path, &w, &ignored,
			       &g->session->diag);
	json_decref(ignored);
	return w.rc ? w.rc : rc;
}

int ps_inputs_look(ps_graph *g, const ps_node *n, bool *ready)
{
	int rc = check_sources(g, n);

	*ready = true;
	for (size_t i = 0; i < n->after_count && !rc; i++) {
		ps_node *input = &g->nodes[n->after[i]];

		rc = ps_graph_look(g, input);
		*ready &= input->state == PS_NODE_DONE;
	}
	return rc;
}

static int replaced(const ps_graph *g, const ps_node *n, const ps_node *input)
{
	return ps_fail(&g->session->diag, PS_EFAILED,
		       "%s: %s was replaced while it was read, by another process in the same "
		       "folder; the result is not kept",
		       n->id, input->id);
}

/* Compares an input with the record by which it was found done. */
static int check_input(ps_graph *g, const ps_node *n, const ps_node *input)
{
	char what[PS_FAULT_BYTES];
	ps_outputs_state outputs = PS_OUTPUTS_RECORDED;
	ps_record_state state;
	ps_record r;
	int rc = ps_record_read(&r, input->record, &state, &g->session->diag);

	if (rc) {
		ps_record_close(&r);
		return rc;
	}
	if (state != PS_RECORD_WHOLE || strcmp(r.key, input->key) ||
	    strcmp(r.checksum, input->checksum))
		rc = replaced(g, n, input);
	else
		rc = ps_outputs_check(g, input, r.outputs, &outputs, what, sizeof what);
	ps_record_close(&r);
	if (rc || outputs == PS_OUTPUTS_RECORDED)
		return rc;
	return ps_fail(&g->session->diag, PS_EINPUT,
		       "%s: while it was read, something changed: %s; the result is not kept",
		       n->id, what);
}

int ps_inputs_check(ps_graph *g, const ps_node *n)
{
	int rc = check_sources(g, n);

	for (size_t i = 0; i < n->after_count && !rc; i++)
		rc = check_input(g, n, &g->nodes[n->after[i]]);
	return rc;
}
