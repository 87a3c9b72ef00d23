/* A Snakefile: a rule a step, whose output is the step's record; a cache's record and folder are temp().
 *
 * The step's key is a parameter of its rule, so that Snakemake runs a step again whose key has changed. An SAE's folder is
 * no output of its rule: Snakemake would remove it before a job, and with it the state from which training resumes. */
#include "tools/study/cost.h"
#include "tools/study/emit.h"

static void write_head(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fprintf(e->out,
		"# The study %s, for Snakemake: snakemake -s THIS_FILE --cores N\n"
		"# Run it in the folder in which it was made.\n"
		"import os\n"
		"os.environ[\"PRUNESCOPE_MATMUL\"] = \"%s\"\n"
		"PRUNESCOPE = os.environ.get(\"PRUNESCOPE\", \"%s\")\n"
		"STEP = (f\"'{PRUNESCOPE}' study '%s' -o '%s' --precision %s --keep-caches \"\n"
		"        \"--kernel '%s'%s --threads {threads} --memory {resources.mem_mb}M \"\n"
		"        \"--only {params.step}\")\n\n"
		"rule all:\n    input: \"%s\"\n\n",
		g->path, e->kernel_row, e->program, g->path, g->out,
		ps_precision_name(g->session->precision), e->kernel,
		e->options->force ? " --force" : "", g->nodes[g->report].record);
}

/* Records, and the folders of caches. */
static void write_inputs(const ps_emission *e, const ps_node *n)
{
	const ps_graph *g = e->graph;

	if (!n->after_count)
		return;
	fputs("    input:\n", e->out);
	for (size_t i = 0; i < n->after_count; i++) {
		const ps_node *input = &g->nodes[n->after[i]];

		fprintf(e->out, "        \"%s\",\n", input->record);
		if (input->kind->transient)
			fprintf(e->out, "        \"%s\",\n", input->output);
	}
}

static void write_output(const ps_emission *e, const ps_node *n)
{
	if (!n->kind->transient)
		fprintf(e->out, "    output: \"%s\"\n", n->record);
	else if (e->options->keep_caches)
		fprintf(e->out, "    output: \"%s\", directory(\"%s\")\n", n->record, n->output);
	else
		fprintf(e->out, "    output: temp(\"%s\"), temp(directory(\"%s\"))\n", n->record,
			n->output);
}

int ps_emit_snakemake(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	write_head(e);
	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];
		const ps_cost cost = ps_cost_of(g, n);

		fprintf(e->out, "rule step_%04zu:\n", i);
		write_inputs(e, n);
		write_output(e, n);
		fprintf(e->out,
			"    params: step=\"%s\", key=\"%s\"\n"
			"    threads: %d\n"
			"    resources: mem_mb=%u, disk_mb=%u, runtime=%u\n"
			"    shell: STEP\n\n",
			n->id, n->key, g->session->threads, ps_emit_mib(e, &cost),
			(unsigned)(cost.disk_bytes >> 20) + 1, ps_emit_minutes(cost.seconds));
	}
	return 0;
}
