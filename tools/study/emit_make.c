/* A makefile: a rule a step, whose target is the step's record.
 *
 * A cache that was removed after its last reader is no reason to make it again: .SECONDARY says so. A step whose record
 * is of other inputs has FORCE among its prerequisites, since make would take the record for the result. */
#include "tools/study/emit.h"

static void write_head(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fprintf(e->out,
		"# The study %s, for make: make -f THIS_FILE -j N\n"
		"# Run it in the folder in which it was made. A step may use THREADS threads.\n"
		"PRUNESCOPE ?= %s\nTHREADS ?= 1\nFLAGS ?=\n"
		"export PRUNESCOPE_MATMUL = %s\n"
		"STEP = $(PRUNESCOPE) study %s -o %s --precision %s --kernel '%s'%s%s \\\n"
		"\t--threads $(THREADS) $(FLAGS) --only\n\n"
		".PHONY: all FORCE\n.SECONDARY:\n.DELETE_ON_ERROR:\n\n"
		"# The last step looks at all others: it fails where one of them is missing.\n"
		"all: %s\n\t@$(STEP) report\n\n",
		g->path, e->program, e->kernel_row, g->path, g->out,
		ps_precision_name(g->session->precision), e->kernel,
		e->options->force ? " --force" : "",
		e->options->keep_caches ? " --keep-caches" : "", g->nodes[g->report].record);
}

int ps_emit_make(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	write_head(e);
	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];

		fprintf(e->out, "%s:", n->record);
		for (size_t j = 0; j < n->after_count; j++)
			fprintf(e->out, " \\\n\t\t%s", g->nodes[n->after[j]].record);
		fprintf(e->out, "%s\n\t$(STEP) %s\n\n", n->state == PS_NODE_STALE ? " FORCE" : "",
			n->id);
	}
	return 0;
}
