#include "tools/study/emit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/model/kernel.h"
#include "tools/study/cost.h"

static const char *const engine_names[] = {
	[PS_EMIT_MAKE] = "make",
	[PS_EMIT_SNAKEMAKE] = "snakemake",
	[PS_EMIT_SLURM] = "slurm",
	[PS_EMIT_JSON] = "json",
};

int ps_emit_parse(const char *name, ps_engine_kind *kind, ps_diag *diag)
{
	for (size_t i = 0; i < sizeof engine_names / sizeof *engine_names; i++)
		if (!strcmp(engine_names[i], name)) {
			*kind = (ps_engine_kind)i;
			return 0;
		}
	return ps_fail(diag, PS_EUSAGE, "--emit %s: must be make, snakemake, slurm or json", name);
}

void ps_emit_quoted(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc(*text, out);
	}
	fputc('\'', out);
}

unsigned ps_emit_minutes(double seconds)
{
	return (unsigned)fmin(fmax(ceil(4 * seconds / 60), 10), 100000);
}

unsigned ps_emit_mib(const ps_emission *e, const ps_cost *cost)
{
	const uint64_t budget = e->graph->session->memory_bytes;
	const uint64_t bytes =
		cost->memory_bytes ? cost->memory_bytes + cost->memory_bytes / 4 : budget;

	return (unsigned)(ps_max_size((size_t)bytes, (size_t)256 << 20) >> 20);
}

/* --- JSON --- */

static int append(json_t *list, json_t *value)
{
	return json_array_append_new(list, value);
}

/* The command that does exactly this step. */
static json_t *command_json(const ps_emission *e, const ps_node *n)
{
	const ps_graph *g = e->graph;
	json_t *list =
		json_pack("[s, s, s, s, s, s, s, s, s]", e->program, "study", g->path, "-o", g->out,
			  "--precision", ps_precision_name(g->session->precision), "--only", n->id);
	int rc = list ? 0 : -1;

	if (!rc && e->options->force)
		rc = append(list, json_string("--force"));
	if (!rc && e->options->keep_caches)
		rc = append(list, json_string("--keep-caches"));
	if (rc) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* The records and outputs of the nodes it reads, and the study file. */
static json_t *inputs_json(const ps_graph *g, const ps_node *n)
{
	json_t *list = json_pack("[s]", g->path);

	for (size_t i = 0; i < n->after_count && list; i++) {
		const ps_node *input = &g->nodes[n->after[i]];

		if (append(list, json_string(input->output ? input->output : input->record)))
			return NULL;
	}
	return list;
}

static json_t *outputs_json(const ps_node *n)
{
	return n->output ? json_pack("[s, s]", n->output, n->record) : json_pack("[s]", n->record);
}

static json_t *after_json(const ps_graph *g, const ps_node *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n->after_count && list; i++)
		if (append(list, json_string(g->nodes[n->after[i]].id)))
			return NULL;
	return list;
}

static json_t *step_json(const ps_emission *e, const ps_node *n)
{
	const ps_graph *g = e->graph;
	const ps_cost cost = ps_cost_of(g, n);
	char reason[160];

	ps_graph_reason(g, n, reason, sizeof reason);
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:s, s:b, s:s, s:f, s:I, s:I, s:o}", "id", n->id, "command",
		command_json(e, n), "inputs", inputs_json(g, n), "outputs", outputs_json(n), "key",
		n->key, "done", !ps_graph_wanted(g, n), "reason", reason, "seconds", cost.seconds,
		"memory_bytes",
		(json_int_t)(cost.memory_bytes ? cost.memory_bytes : g->session->memory_bytes),
		"disk_bytes", (json_int_t)cost.disk_bytes, "after", after_json(g, n));
}

int ps_emit_json(const ps_emission *e)
{
	const ps_graph *g = e->graph;
	json_t *steps = json_array(), *whole = NULL;
	int rc = steps ? 0 : -1;

	for (size_t i = 0; i < g->count && !rc; i++)
		rc = append(steps, step_json(e, &g->nodes[i]));
	if (!rc)
		whole = json_pack("{s:s, s:s, s:s, s:O}", "study", g->path, "folder", g->out,
				  "kernel", e->kernel, "steps", steps);
	rc = whole ? json_dumpf(whole, e->out, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : -1;
	fputc('\n', e->out);
	json_decref(whole);
	json_decref(steps);
	return rc ? ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the graph") : 0;
}

/* --- all --- */

/* What neither a makefile nor a Snakefile can hold in a path. */
static int check_path(const ps_graph *g, ps_engine_kind kind, const char *path)
{
	const char *bad = strpbrk(path, kind == PS_EMIT_MAKE ? " \t\n\r'\"$#%:;\\*?[]|&<>(){}~`!"
							     : "\n\r'\"\\{}");

	if (!bad)
		return 0;
	return ps_fail(&g->session->diag, PS_EUSAGE,
		       "--emit %s: %s: the path has a character "
		       "that such a file cannot hold (0x%02x)",
		       engine_names[kind], path, (unsigned char)*bad);
}

static int open_emission(ps_emission *e)
{
	const ps_kernel kernel = ps_kernel_choose(e->graph->session->precision);
	ssize_t length = readlink("/proc/self/exe", e->program, sizeof e->program - 1);

	if (length < 0)
		return ps_fail(&e->graph->session->diag, PS_EFAILED,
			       "cannot find out where this program lies");
	e->program[length] = 0;
	snprintf(e->kernel, sizeof e->kernel, "%s", kernel.name);
	snprintf(e->kernel_row, sizeof e->kernel_row, "%.*s", (int)strcspn(kernel.name, " ,"),
		 kernel.name);
	return 0;
}

int ps_emit(ps_graph *g, ps_engine_kind kind, const ps_execute_options *options, FILE *out)
{
	int (*const writer[])(const ps_emission *) = {
		[PS_EMIT_MAKE] = ps_emit_make,
		[PS_EMIT_SNAKEMAKE] = ps_emit_snakemake,
		[PS_EMIT_SLURM] = ps_emit_slurm,
		[PS_EMIT_JSON] = ps_emit_json,
	};
	ps_emission e = {.graph = g, .options = options, .out = out};
	int rc = open_emission(&e);

	if (!rc && kind != PS_EMIT_JSON)
		rc = check_path(g, kind, g->out);
	if (!rc && kind != PS_EMIT_JSON)
		rc = check_path(g, kind, g->path);
	if (!rc && kind != PS_EMIT_JSON)
		rc = check_path(g, kind, e.program);
	if (!rc)
		rc = writer[kind](&e);
	if (!rc && (fflush(out) || ferror(out)))
		rc = ps_fail(&g->session->diag, PS_EOUTPUT, "the graph could not be written");
	return rc;
}
