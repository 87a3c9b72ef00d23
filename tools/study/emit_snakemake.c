/* A Snakefile: a rule for each step, whose output is the step's record. A cache's record and
 * folder are temp(): Snakemake removes them after their last reader. So the steps get
 * --keep-caches, but for the report, which removes what a killed Snakemake left.
 *
 * A cache is an ancient() input. When a later study needs it again, its other readers are not
 * done again.
 * The step's key is a parameter of its rule, so that Snakemake runs a step again whose key has
 * changed. Snakemake knows the parameters only of what it ran itself. So records that had another
 * key when the file was made are removed before the rules are read. So are those of steps of which
 * an output is gone; rule all asks for each of them, as Snakemake makes nothing again between files
 * that are there.
 * An SAE's folder is no output of its rule: Snakemake would remove it before a job, and with it
 * the state from which training resumes. */
#include "tools/study/emission.h"

/* A Python string. */
static void write_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputc('"', out);
}

static void write_head(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fprintf(e->out,
		"# The study %s, for Snakemake: snakemake -s THIS_FILE --cores N\n"
		"# Run it in the folder in which it was made. After an interruption run it again "
		"with\n"
		"# --rerun-incomplete; after a kill first once with --unlock. After a change of "
		"the\n"
		"# study make it anew.\n"
		"import json\n"
		"import os\n"
		"import shlex\n\n"
		"os.environ[\"PRUNESCOPE_MATMUL\"] = \"%s\"\n"
		"STUDY = shlex.join([os.environ.get(\"PRUNESCOPE\", ",
		g->path, e->kernel_row);
	write_string(e->out, e->program);
	fputs("), \"study\", ", e->out);
	write_string(e->out, g->path);
	fputs(", \"-o\", ", e->out);
	write_string(e->out, g->out);
	fprintf(e->out,
		",\n    \"--precision\", \"%s\", \"--kernel\", \"%s\"%s])\n"
		"STEP = (\"{STUDY} {params.caches} --threads {threads} \"\n"
		"    \"--memory $(({resources.mem_mb} * 9 / 10))M --only {params.step}\"\n"
		"    \" && touch -c {output}\")\n\n",
		ps_precision_name(g->session->precision), e->kernel,
		e->options->force ? ", \"--force\"" : "");
}

/* Removes stale records while the file is read. */
static void write_stale(const ps_emission *e)
{
	const ps_graph *g = e->graph;
	bool any = false;

	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];

		if (n->state == PS_NODE_DONE || !(n->past || n->damaged))
			continue;
		if (!any)
			fputs("# Records of other inputs than this study's: no results of it.\n"
			      "STALE = {\n",
			      e->out);
		any = true;
		fputs("    ", e->out);
		write_string(e->out, n->record);
		fprintf(e->out, ": \"%s\",\n", n->key);
	}
	if (any)
		fputs("}\n"
		      "for record, key in STALE.items():\n"
		      "    if os.path.exists(record) and key not in open(record).read():\n"
		      "        os.remove(record)\n\n",
		      e->out);
}

/* Removes the records of steps whose outputs are gone while the file is read. */
static void write_gone(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fputs("# Records of steps that leave files.\nRECORDS = [\n", e->out);
	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];

		if (!n->output || n->kind->transient)
			continue;
		fputs("    ", e->out);
		write_string(e->out, n->record);
		fputs(",\n", e->out);
	}
	fputs("]\nOUT = ", e->out);
	write_string(e->out, g->out);
	fputs("\n"
	      "for record in RECORDS:\n"
	      "    try:\n"
	      "        outputs = json.load(open(record))[\"outputs\"]\n"
	      "    except (OSError, ValueError, KeyError):\n"
	      "        continue\n"
	      "    if not all(os.path.exists(os.path.join(OUT, name)) for name in outputs):\n"
	      "        os.remove(record)\n\n",
	      e->out);
}

/* Records, and the folders of caches. */
static void write_inputs(const ps_emission *e, const ps_node *n)
{
	const ps_graph *g = e->graph;

	if (n->after_count)
		fputs("    input:\n", e->out);
	for (size_t i = 0; i < n->after_count; i++) {
		const ps_node *input = &g->nodes[n->after[i]];
		const bool cache = input->kind->transient;

		fputs(cache ? "        ancient(" : "        ", e->out);
		write_string(e->out, input->record);
		if (cache) {
			fputs("),\n        ancient(", e->out);
			write_string(e->out, input->output);
		}
		fputs(cache ? "),\n" : ",\n", e->out);
	}
}

static void write_output(const ps_emission *e, const ps_node *n)
{
	const bool temporary = n->kind->transient && !e->options->keep_caches;

	fputs(temporary ? "    output: temp(" : "    output: ", e->out);
	write_string(e->out, n->record);
	fputs(temporary ? ")" : "", e->out);
	if (n->kind->transient) {
		fputs(temporary ? ", temp(directory(" : ", directory(", e->out);
		write_string(e->out, n->output);
		fputs(temporary ? "))" : ")", e->out);
	}
	fputc('\n', e->out);
}

static void write_rule(const ps_emission *e, size_t index)
{
	const ps_graph *g = e->graph;
	const ps_node *n = &g->nodes[index];
	const ps_cost cost = ps_cost_of(g, n);
	const unsigned minutes = ps_emit_minutes(cost.seconds);
	const bool cleans = index == g->report && !e->options->keep_caches;

	fprintf(e->out, "rule %s_%04zu:\n", n->kind->command, index);
	write_inputs(e, n);
	write_output(e, n);
	fprintf(e->out,
		"    params: step=\"%s\", key=\"%s\", caches=\"%s\"\n"
		"    threads: %d\n"
		"    resources: mem_mb=%u, disk_mb=%u",
		n->id, n->key, cleans ? "" : "--keep-caches", g->session->threads,
		ps_emit_mib(e, &cost), ps_emit_disk_mib(&cost));
	if (minutes)
		fprintf(e->out, ", runtime=%u", minutes);
	fputs("\n    shell: STEP\n\n", e->out);
}

int ps_emit_snakemake(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	write_head(e);
	write_stale(e);
	write_gone(e);
	fputs("localrules: all\n\nrule all:\n    input: ", e->out);
	write_string(e->out, g->nodes[g->report].record);
	fputs(", RECORDS\n\n", e->out);
	for (size_t i = 0; i < g->count; i++)
		write_rule(e, i);
	return 0;
}
