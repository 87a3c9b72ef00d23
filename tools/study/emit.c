#include "tools/study/emit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/utf8.h"
#include "core/model/kernel.h"
#include "tools/study/emission.h"

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

/* Characters that an engine's file cannot hold in a path. A make target has no way to quote most
 * of them; in a Snakefile braces are wildcards. */
static const char *const refused[] = {
	[PS_EMIT_MAKE] = " '\"$#%:;\\*?[]|&<>(){}~`!=",
	[PS_EMIT_SNAKEMAKE] = "{}",
	[PS_EMIT_SLURM] = "",
	[PS_EMIT_JSON] = "",
};

/* JSON and Snakefiles are UTF-8 by definition. */
static int check_utf8(const ps_graph *g, ps_engine_kind kind, const char *path)
{
	if (kind == PS_EMIT_MAKE || kind == PS_EMIT_SLURM ||
	    ps_utf8_invalid(path, strlen(path)) == strlen(path))
		return 0;
	return ps_fail(&g->session->diag, PS_EUSAGE,
		       "--emit %s: a path is not UTF-8, and such a file cannot hold it",
		       engine_names[kind]);
}

static int check_path(const ps_graph *g, ps_engine_kind kind, const char *path)
{
	const char *bad = path;
	int rc = check_utf8(g, kind, path);

	if (rc || kind == PS_EMIT_JSON)
		return rc;
	while (*bad && !((unsigned char)*bad < ' ' || *bad == 0x7f) && !strchr(refused[kind], *bad))
		bad++;
	if (!*bad)
		return 0;
	return ps_fail(&g->session->diag, PS_EUSAGE,
		       "--emit %s: %s: the path has a character that such a file cannot hold "
		       "(0x%02x)",
		       engine_names[kind], path, (unsigned char)*bad);
}

static int open_emission(ps_emission *e)
{
	const ps_kernel kernel = ps_kernel_of_bits(e->graph->session->precision);
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

int ps_emit_check(ps_graph *g, ps_engine_kind kind)
{
	ps_emission e = {.graph = g};
	int rc = open_emission(&e);

	if (!rc)
		rc = check_path(g, kind, g->out);
	if (!rc)
		rc = check_path(g, kind, g->path);
	return rc ? rc : check_path(g, kind, e.program);
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
	int rc = ps_emit_check(g, kind);

	if (!rc)
		rc = open_emission(&e);
	if (!rc)
		rc = writer[kind](&e);
	if (!rc && (fflush(out) || ferror(out)))
		rc = ps_fail(&g->session->diag, PS_EOUTPUT, "the graph could not be written");
	return rc;
}
