/* A makefile: a rule for each step, whose target is the step's record.
 *
 * Caches. A cache's record goes with the cache, after its last reader. Two things keep make from
 * making the cache again: it is .SECONDARY (a missing one is made only for a reader that is to
 * do), and it is an order-only prerequisite (a new one is no reason to do its other readers
 * again).
 * Keys. make goes by time, and would take a record of other inputs for the result. So a step whose
 * record had another key when the file was made depends on $(call stale,...), which says FORCE
 * until the record has the key.
 * Outputs. The target is the record alone. So a step with outputs depends on $(call gone,...),
 * which says FORCE when make begins and one of the outputs that the record names is not there. What
 * reads the output is done still: its record is touched, so that make knows. */
#include <string.h>

#include "tools/study/emission.h"

static void write_secondary(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fputs(".SECONDARY:", e->out);
	for (size_t i = 0; i < g->count; i++)
		if (g->nodes[i].kind->transient)
			fprintf(e->out, " \\\n\t\t%s", g->nodes[i].record);
	fputs("\n\n", e->out);
}

static void write_head(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fprintf(e->out,
		"# The study %s, for GNU make: make -f THIS_FILE -j N\n"
		"# Run it in the folder in which it was made. THREADS=N: threads of each step.\n"
		"# FLAGS='--memory 4G': further options of each step.\n"
		"# After an interruption run it again. After a change of the study make it anew.\n"
		"PRUNESCOPE ?= %s\n"
		"THREADS ?= 1\n"
		"FLAGS ?=\n"
		"export PRUNESCOPE_MATMUL = %s\n"
		"STEP = $(PRUNESCOPE) study %s -o %s --precision %s --kernel '%s'%s%s \\\n"
		"\t\t--threads $(THREADS) $(FLAGS) --only\n"
		"stale = $(shell grep -qs $(2) $(1) || echo FORCE)\n"
		"gone = $(shell sed -n '/^  \"outputs\": {/,/^  }/s/^    \"\\(.*\\)\": {$$/\\1/p' "
		"\\\n"
		"\t\t$(1).json 2>/dev/null | while read -r f; do [ -e %s/$$f ] || echo FORCE; "
		"done)\n\n"
		".PHONY: all FORCE\n"
		"# The last call fails if the study has changed since. It removes caches that a "
		"killed "
		"step left.\n"
		"all: %s\n"
		"\t@$(STEP) %s\n\n",
		g->path, e->program, e->kernel_row, g->path, g->out,
		ps_precision_name(g->session->precision), e->kernel,
		e->options->force ? " --force" : "",
		e->options->keep_caches ? " --keep-caches" : "", g->out, g->nodes[g->report].record,
		g->nodes[g->report].id);
}

/* The records of the caches that the step reads, or of what else it reads. */
static void write_inputs(const ps_emission *e, const ps_node *n, bool caches)
{
	const ps_graph *g = e->graph;
	const char *before = caches ? " |" : "";

	for (size_t i = 0; i < n->after_count; i++) {
		const ps_node *input = &g->nodes[n->after[i]];

		if (input->kind->transient != caches)
			continue;
		fprintf(e->out, "%s \\\n\t\t%s", before, input->record);
		before = "";
	}
}

/* Of a record's path, without ".json". */
static int stem_length(const char *record)
{
	return (int)(strlen(record) - strlen(".json"));
}

int ps_emit_make(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	write_head(e);
	write_secondary(e);
	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];

		fprintf(e->out, "%s:", n->record);
		if (*n->fault && ps_graph_wanted(g, n))
			fputs(" FORCE", e->out);
		else if (n->state != PS_NODE_DONE && (n->past || n->damaged))
			fprintf(e->out, " $(call stale,%s,%s)", n->record, n->key);
		if (n->output && !n->kind->transient)
			fprintf(e->out, " $(call gone,%.*s)", stem_length(n->record), n->record);
		write_inputs(e, n, false);
		write_inputs(e, n, true);
		fprintf(e->out, "\n\t$(STEP) %s\n\t@touch -c $@\n\n", n->id);
	}
	return 0;
}
