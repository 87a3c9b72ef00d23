/* A Slurm script that submits itself: one array a level of the graph, each after the one before.
 *
 * A step's level is one more than the highest of those it reads. Run without Slurm's task number the script submits the
 * arrays; as a task of one it carries out its step. */
#include <stdlib.h>

#include "core/base/checked.h"
#include "tools/study/cost.h"
#include "tools/study/emit.h"

enum { ARRAY_MAX = 1000 }; /* tasks of an array: Slurm's default limit */

static void write_head(const ps_emission *e)
{
	fprintf(e->out,
		"#!/bin/bash\n"
		"# The study %s, for Slurm: bash THIS_FILE [options of sbatch]\n"
		"# Run it in the folder in which it was made, on a file system that all nodes "
		"share.\n"
		"# It prints the number of the last job.\n"
		"set -euo pipefail\n"
		"export PRUNESCOPE_MATMUL=%s\n"
		"program=${PRUNESCOPE:-%s}\n\n",
		e->graph->path, e->kernel_row, e->program);
}

/* What a task does: the step of its number. */
static void write_task(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fputs("if [ -n \"${SLURM_ARRAY_TASK_ID:-}\" ] && [ -n \"${STUDY_LEVEL:-}\" ]; then\n"
	      "\tsteps=level_$STUDY_LEVEL[$SLURM_ARRAY_TASK_ID]\n"
	      "\texec \"$program\" study ",
	      e->out);
	ps_emit_quoted(e->out, g->path);
	fputs(" -o ", e->out);
	ps_emit_quoted(e->out, g->out);
	fprintf(e->out, " --precision %s \\\n\t\t--kernel ",
		ps_precision_name(g->session->precision));
	ps_emit_quoted(e->out, e->kernel);
	fprintf(e->out,
		"%s%s --threads \"${SLURM_CPUS_PER_TASK:-1}\" --only \"${!steps}\"\n"
		"fi\n\n",
		e->options->force ? " --force" : "",
		e->options->keep_caches ? " --keep-caches" : "");
}

static void write_steps(const ps_emission *e, const size_t *level, size_t which, size_t part)
{
	size_t seen = 0;

	fprintf(e->out, "level_%zu_%zu=(\n", which, part);
	for (size_t i = 0; i < e->graph->count; i++)
		if (level[i] == which && seen++ / ARRAY_MAX == part)
			fprintf(e->out, "\t%s\n", e->graph->nodes[i].id);
	fputs(")\n", e->out);
}

/* What the most demanding step of a level wants. */
static ps_cost most_of(const ps_emission *e, const size_t *level, size_t which, size_t *count)
{
	ps_cost most = {0};

	*count = 0;
	for (size_t i = 0; i < e->graph->count; i++) {
		const ps_cost cost = ps_cost_of(e->graph, &e->graph->nodes[i]);

		if (level[i] != which)
			continue;
		++*count;
		most.seconds = cost.seconds > most.seconds ? cost.seconds : most.seconds;
		most.memory_bytes = cost.memory_bytes > most.memory_bytes ? cost.memory_bytes
									  : most.memory_bytes;
		most.disk_bytes += cost.disk_bytes;
	}
	return most;
}

static void write_submission(const ps_emission *e, const size_t *level, size_t which)
{
	size_t count;
	const ps_cost most = most_of(e, level, which, &count);
	const unsigned minutes = ps_emit_minutes(most.seconds);

	fprintf(e->out, "# level %zu: %zu steps, %u MiB of disk\njobs=\n", which, count,
		(unsigned)(most.disk_bytes >> 20) + 1);
	for (size_t part = 0; part * ARRAY_MAX < count; part++)
		fprintf(e->out,
			"jobs=$jobs:$(STUDY_LEVEL=%zu_%zu sbatch --parsable --array=0-%zu \\\n"
			"\t--cpus-per-task=%d --mem=%uM --time=%u --job-name=study-%zu ${after:+"
			"\"$after\"} \"$@\" \"$0\")\n",
			which, part, ps_min_size(ARRAY_MAX, count - part * ARRAY_MAX) - 1,
			e->graph->session->threads, ps_emit_mib(e, &most), minutes, which);
	fputs("after=--dependency=afterok$jobs\n", e->out);
}

int ps_emit_slurm(const ps_emission *e)
{
	const ps_graph *g = e->graph;
	size_t *level = calloc(g->count, sizeof *level), last = 0;

	if (!level)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for %zu steps", g->count);
	for (size_t i = 0; i < g->count; i++) {
		level[i] = 1;
		for (size_t j = 0; j < g->nodes[i].after_count; j++)
			level[i] = ps_max_size(level[i], level[g->nodes[i].after[j]] + 1);
		last = ps_max_size(last, level[i]);
	}
	write_head(e);
	for (size_t l = 1; l <= last; l++) {
		size_t count;

		most_of(e, level, l, &count);
		for (size_t part = 0; part * ARRAY_MAX < count; part++)
			write_steps(e, level, l, part);
	}
	write_task(e);
	fputs("after=\n", e->out);
	for (size_t l = 1; l <= last; l++)
		write_submission(e, level, l);
	fputs("echo \"${jobs##*:}\"\n", e->out);
	free(level);
	return 0;
}
