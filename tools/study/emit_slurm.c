/* A Slurm script that submits itself: an array for the steps of one model, kind and level.
 *
 * A step's level is one more than the highest level of the steps that it reads. Steps of one kind
 * and model want about as much memory and time as each other. So an array asks for what its
 * largest step wants. It starts when the arrays that its steps read from are done; other models
 * do not hold it up.
 * Run by hand the script submits the arrays. As a task of an array ("run ARRAY" are its
 * arguments) it carries out the step of its number. */
#include <stdlib.h>

#include "core/base/checked.h"
#include "tools/study/emission.h"

enum { TASKS_MAX = 1000 }; /* of an array: Slurm's default is 1,001 */

/* Steps of one model, kind and level. */
struct group {
	size_t model, level;
	const ps_step_kind *kind;
	size_t count;
	ps_cost cost; /* of the step that wants most; disk: of all */
};

struct levels {
	const ps_emission *e;
	size_t *level, *group; /* of each node */
	struct group *groups;
	size_t count, last;
	bool *reads;   /* (count, count): steps of the first read outputs of the second's */
	bool *reaches; /* likewise, directly or through others */
};

static int no_memory(const ps_emission *e)
{
	return ps_fail(&e->graph->session->diag, PS_EBUDGET, "no memory for %zu steps",
		       e->graph->count);
}

/* --- groups --- */

static void set_level(struct levels *l, size_t node)
{
	const ps_node *n = &l->e->graph->nodes[node];

	l->level[node] = 1;
	for (size_t i = 0; i < n->after_count; i++)
		l->level[node] = ps_max_size(l->level[node], l->level[n->after[i]] + 1);
	l->last = ps_max_size(l->last, l->level[node]);
}

static void set_group(struct levels *l, size_t node)
{
	const ps_graph *g = l->e->graph;
	const ps_node *n = &g->nodes[node];
	const ps_cost cost = ps_cost_of(g, n);
	size_t at = 0;
	ps_cost *most;

	while (at < l->count && (l->groups[at].model != n->model || l->groups[at].kind != n->kind ||
				 l->groups[at].level != l->level[node]))
		at++;
	l->group[node] = at;
	if (at == l->count)
		l->groups[l->count++] =
			(struct group){.model = n->model, .level = l->level[node], .kind = n->kind};
	l->groups[at].count++;
	most = &l->groups[at].cost;
	most->seconds = cost.seconds > most->seconds ? cost.seconds : most->seconds;
	if (cost.memory_bytes > most->memory_bytes)
		most->memory_bytes = cost.memory_bytes;
	most->disk_bytes += cost.disk_bytes;
}

/* Groups of lower levels come first, so that what they reach is known. */
static void set_reaches(struct levels *l)
{
	for (size_t level = 2; level <= l->last; level++)
		for (size_t a = 0; a < l->count; a++)
			for (size_t b = 0; b < l->count && l->groups[a].level == level; b++)
				for (size_t c = 0; c < l->count && l->reads[a * l->count + b]; c++)
					l->reaches[a * l->count + c] |=
						c == b || l->reaches[b * l->count + c];
}

static int find_groups(struct levels *l)
{
	const ps_graph *g = l->e->graph;

	l->level = calloc(g->count, sizeof *l->level);
	l->group = calloc(g->count, sizeof *l->group);
	l->groups = calloc(g->count, sizeof *l->groups);
	if (!l->level || !l->group || !l->groups)
		return no_memory(l->e);
	for (size_t i = 0; i < g->count; i++) {
		set_level(l, i);
		set_group(l, i);
	}
	l->reads = calloc(l->count * l->count, sizeof *l->reads);
	l->reaches = calloc(l->count * l->count, sizeof *l->reaches);
	if (!l->reads || !l->reaches)
		return no_memory(l->e);
	for (size_t i = 0; i < g->count; i++)
		for (size_t j = 0; j < g->nodes[i].after_count; j++)
			l->reads[l->group[i] * l->count + l->group[g->nodes[i].after[j]]] = true;
	set_reaches(l);
	return 0;
}

/* Whether group a has to wait for b: it reads from b, and from no other group that waits for b. */
static bool waits_for(const struct levels *l, size_t a, size_t b)
{
	if (!l->reads[a * l->count + b])
		return false;
	for (size_t c = 0; c < l->count; c++)
		if (l->reads[a * l->count + c] && l->reaches[c * l->count + b])
			return false;
	return true;
}

/* --- the script --- */

static void write_head(const ps_emission *e)
{
	fprintf(e->out,
		"#!/bin/bash\n"
		"# The study %s, for Slurm: bash THIS_FILE [options of sbatch]\n"
		"# Run it in the folder in which it was made, on a file system that all nodes "
		"share.\n"
		"# It prints the number of the last job: wait for that one. After a failure or "
		"scancel\n"
		"# run it again. After a change of the study make it anew.\n"
		"set -euo pipefail\n"
		"export PRUNESCOPE_MATMUL=%s\n"
		"program=",
		e->graph->path, e->kernel_row);
	ps_emit_quoted(e->out, e->program);
	fputs("\nprogram=${PRUNESCOPE:-$program}\n\n", e->out);
}

/* What a task does: the step of its number. A tenth of the job's memory is left to the kernel. */
static void write_task(const ps_emission *e)
{
	const ps_graph *g = e->graph;

	fputs("if [ \"${1:-}\" = run ]; then\n"
	      "\tsteps=array_$2[$SLURM_ARRAY_TASK_ID]\n"
	      "\tmemory=${SLURM_MEM_PER_NODE:+--memory $((SLURM_MEM_PER_NODE * 9 / 10))M}\n"
	      "\t# shellcheck disable=SC2086 # two words, or none\n"
	      "\texec \"$program\" study ",
	      e->out);
	ps_emit_quoted(e->out, g->path);
	fputs(" -o ", e->out);
	ps_emit_quoted(e->out, g->out);
	fprintf(e->out, " --precision %s \\\n\t\t--kernel ",
		ps_precision_name(g->session->precision));
	ps_emit_quoted(e->out, e->kernel);
	fprintf(e->out,
		"%s%s \\\n\t\t--threads \"${SLURM_CPUS_PER_TASK:-1}\" $memory --only "
		"\"${!steps}\"\n"
		"fi\n\n",
		e->options->force ? " --force" : "",
		e->options->keep_caches ? " --keep-caches" : "");
}

static void write_submit(const ps_emission *e)
{
	fprintf(e->out,
		"options=(\"$@\")\n\n"
		"# submit ARRAY TASKS MIB MINUTES JOB...: the array, after these jobs.\n"
		"# Prints the new job's number.\n"
		"submit() {\n"
		"\tarray=$1 tasks=$2 mib=$3 minutes=$4\n"
		"\tshift 4\n"
		"\tset -- \"${@/#/:}\"\n"
		"\tafter=$(printf %%s \"$@\")\n"
		"\tjob=$(sbatch --parsable --array=0-$((tasks - 1)) --job-name=\"study-$array\" "
		"\\\n"
		"\t\t--cpus-per-task=%d --mem=\"${mib}M\" ${minutes:+--time=\"$minutes\"} \\\n"
		"\t\t${after:+--dependency=afterok\"$after\" --kill-on-invalid-dep=yes} \\\n"
		"\t\t${options[@]+\"${options[@]}\"} \"$0\" run \"$array\") || exit\n"
		"\techo \"${job%%%%;*}\"\n"
		"}\n\n",
		e->graph->session->threads);
}

static size_t parts_of(const struct group *group)
{
	return ps_div_up(group->count, TASKS_MAX);
}

/* The ids of a group's steps, an array of the shell for each of Slurm's. */
static void write_steps(const struct levels *l, size_t group)
{
	const ps_graph *g = l->e->graph;
	size_t seen = 0;

	for (size_t i = 0; i < g->count; i++) {
		if (l->group[i] != group)
			continue;
		if (seen % TASKS_MAX == 0)
			fprintf(l->e->out, "%sarray_%zu_%zu=(\n", seen ? ")\n" : "", group,
				seen / TASKS_MAX);
		fprintf(l->e->out, "\t%s\n", g->nodes[i].id);
		seen++;
	}
	fputs(")\n", l->e->out);
}

static void write_submission(const struct levels *l, size_t group)
{
	const struct group *own = &l->groups[group];
	const unsigned minutes = ps_emit_minutes(own->cost.seconds);
	FILE *out = l->e->out;

	fprintf(out, "# %s: %zu steps, %u MiB of disk\n", own->kind->command, own->count,
		ps_emit_disk_mib(&own->cost));
	for (size_t part = 0; part < parts_of(own); part++) {
		fprintf(out, "job_%zu_%zu=$(submit %zu_%zu %zu %u ", group, part, group, part,
			ps_min_size(TASKS_MAX, own->count - part * TASKS_MAX),
			ps_emit_mib(l->e, &own->cost));
		fprintf(out, minutes ? "%u" : "''", minutes);
		for (size_t other = 0; other < l->count; other++)
			for (size_t p = 0;
			     waits_for(l, group, other) && p < parts_of(&l->groups[other]); p++)
				fprintf(out, " \\\n\t\"$job_%zu_%zu\"", other, p);
		fputs(")\n", out);
	}
}

static void write_script(const struct levels *l)
{
	const ps_emission *e = l->e;

	write_head(e);
	for (size_t i = 0; i < l->count; i++)
		write_steps(l, i);
	fputc('\n', e->out);
	write_task(e);
	write_submit(e);
	for (size_t level = 1; level <= l->last; level++)
		for (size_t i = 0; i < l->count; i++)
			if (l->groups[i].level == level)
				write_submission(l, i);
	fprintf(e->out, "echo \"$job_%zu_0\"\n", l->group[e->graph->report]);
}

int ps_emit_slurm(const ps_emission *e)
{
	struct levels l = {.e = e};
	int rc = find_groups(&l);

	if (!rc)
		write_script(&l);
	free(l.level);
	free(l.group);
	free(l.groups);
	free(l.reads);
	free(l.reaches);
	return rc;
}
