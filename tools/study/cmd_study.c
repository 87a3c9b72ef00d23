/* study: carries out the study of a file, lists it, emits it for another engine, or tidies up. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/model/kernel.h"
#include "io/file.h"
#include "tools/cmd/result.h"
#include "tools/study/clean.h"
#include "tools/study/cost.h"
#include "tools/study/emit.h"
#include "tools/study/listing.h"
#include "tools/study/standing.h"
#include "tools/study/study_folder.h"
#include "tools/study/texts.h"

/* More than a path within a study's folder has, temporary names included. */
enum { INNER_BYTES = 512 };

static size_t longest_part(const char *path)
{
	size_t longest = 0;

	while (*path) {
		const size_t length = strcspn(path, "/");

		longest = length > longest ? length : longest;
		path += length + (path[length] == '/');
	}
	return longest;
}

/* A call is for one use. */
static int check_args(const ps_study_args *a, bool json, ps_diag *diag)
{
	int uses = (a->only != NULL) + (a->emit != NULL) + a->clean;

	if (!*a->out)
		return ps_fail(diag, PS_EUSAGE, "-o: the folder's name is empty");
	if (strlen(a->out) + INNER_BYTES > PATH_MAX || longest_part(a->out) > NAME_MAX)
		return ps_fail(diag, PS_EUSAGE,
			       "-o: the folder's name is too long: at most %d bytes, %d between "
			       "two slashes",
			       PATH_MAX - INNER_BYTES, NAME_MAX);
	if (uses > 1)
		return ps_fail(diag, PS_EUSAGE, "--only, --emit and --clean exclude each other");
	if (a->dry_run && (a->emit || a->only))
		return ps_fail(diag, PS_EUSAGE, "--dry-run does not go with --emit or --only");
	if (a->emit && a->allow_fewer)
		return ps_fail(
			diag, PS_EUSAGE,
			"--allow-fewer does not go with --emit: write allow_fewer: true into "
			"the study file, which every engine reads");
	if (a->emit && json && strcmp(a->emit, "json"))
		return ps_fail(diag, PS_EUSAGE, "--json goes with --emit json alone");
	return 0;
}

/* An emitted graph names its matrix kernel. The last bits of another kernel's results differ. */
static int check_kernel(const ps_session *s, const char *wanted, ps_diag *diag)
{
	const ps_kernel kernel = ps_kernel_of_bits(s->precision);

	if (!wanted || !strcmp(wanted, kernel.name))
		return 0;
	return ps_fail(
		diag, PS_EFAILED,
		"the graph was made for the matrix kernel '%s', this machine takes '%s': results "
		"would differ in their last bits (PRUNESCOPE_MATMUL=ref, when the graph is made, "
		"pins the kernel that every machine has)",
		wanted, kernel.name);
}

static int check_disk(const ps_graph *g, const ps_execute_options *o)
{
	uint64_t least = ps_study_cache_peak(g, o, true);
	char have[24], need[24];

	if (!o->disk_bytes || least <= o->disk_bytes)
		return 0;
	return ps_fail(&g->session->diag, PS_EOUTPUT,
		       "--disk %s is too small: the activation caches need %s at a time",
		       ps_size_format(o->disk_bytes, have), ps_size_format_up((size_t)least, need));
}

/* Every step must fit the budget, so that none fails after hours. Before the records are read, all
 * steps count as steps that must run. */
static int check_memory(const ps_graph *g)
{
	const size_t budget = g->session->memory_bytes;
	const ps_node *largest;
	char have[24], need[24];
	size_t least;
	int rc = ps_cost_least(g, &least, &largest);

	if (rc || least <= budget)
		return rc;
	return ps_fail(&g->session->diag, PS_EBUDGET,
		       "memory budget too small: --memory is %s (%zu bytes), the least that would "
		       "do is %s (%zu bytes), for the step %s",
		       ps_size_format(budget, have), budget, ps_size_format_up(least, need), least,
		       largest->id);
}

static int clean(ps_graph *g, const ps_study_args *a, json_t **result)
{
	uint64_t bytes = 0;
	size_t files = 0;
	int rc = ps_study_clean(g, a->dry_run, &files, &bytes);

	return rc ? rc
		  : ps_result_set(result,
				  json_pack("{s:I, s:I}", "files", (json_int_t)files, "bytes",
					    (json_int_t)bytes),
				  &g->session->diag);
}

static int emit(ps_graph *g, const ps_study_args *a, const ps_execute_options *o)
{
	ps_engine_kind kind;
	int rc = ps_emit_parse(a->emit, &kind, &g->session->diag);

	if (!rc)
		rc = ps_emit_check(g, kind);
	if (!rc)
		rc = ps_standing_check(g, o);
	if (!rc)
		rc = ps_costs_open(g);
	return rc ? rc : ps_emit(g, kind, o, stdout);
}

static int only(ps_graph *g, const ps_study_args *a, const ps_execute_options *o, json_t **result)
{
	ps_node *node;
	int rc = ps_graph_find(g, a->only, &node);

	if (rc)
		return rc;
	rc = ps_standing_check_node(g, o, node);
	if (rc)
		return rc;
	rc = ps_execute_only(g, node, o);
	return rc ? rc
		  : ps_result_set(result,
				  json_pack("{s:s, s:s, s:O?}", "id", node->id, "key", node->key,
					    "result", node->result),
				  &g->session->diag);
}

static int all(ps_graph *g, const ps_execute_options *o, json_t **result)
{
	const size_t done = ps_graph_done(g);
	json_t *counts;
	int rc = ps_standing_check(g, o);

	if (!rc)
		rc = check_disk(g, o);
	if (!rc && done < g->count)
		rc = check_memory(g);
	if (!rc)
		rc = ps_study_check_texts(g);
	/* Estimates are for the progress line only. */
	if (!rc && done < g->count && !g->session->quiet)
		rc = ps_costs_open(g);
	if (!rc)
		rc = ps_execute_all(g, o);
	if (!rc)
		rc = ps_study_print_results(g);
	if (rc)
		return rc;
	counts = ps_study_counts(g, done);
	if (json_object_set_new(counts, "report", ps_text_json(g->nodes[g->report].output))) {
		json_decref(counts);
		counts = NULL;
	}
	return ps_result_set(result, counts, &g->session->diag);
}

static int list(ps_graph *g, const ps_execute_options *o, json_t **result)
{
	int rc = check_disk(g, o);

	if (!rc)
		rc = check_memory(g);
	if (!rc)
		rc = ps_study_check_texts(g);
	if (!rc)
		rc = ps_costs_open(g);
	return rc ? rc : ps_study_list(g, o, result);
}

/* Divides what --disk allows among caches and rows that a training sorts. If it is too little for
 * both, no rows are sorted. */
static void share_disk(const ps_graph *g, ps_execute_options *o)
{
	const uint64_t most = o->disk_bytes ? ps_study_sort_peak(g) : 0;

	o->sort_bytes = SIZE_MAX;
	if (!o->disk_bytes)
		return;
	o->sort_bytes = ps_study_cache_peak(g, o, true) + most <= o->disk_bytes ? (size_t)most : 0;
	o->disk_bytes -= o->sort_bytes;
}

static int load(ps_session *s, const ps_study_args *a, ps_study_file **file)
{
	int rc = ps_study_file_load(file, a->file, &s->diag);

	if (rc)
		return rc;
	(*file)->allow_fewer |= a->allow_fewer;
	rc = ps_study_file_settle_precision(*file, s->precision_asked, &s->precision, &s->diag);
	return rc ? rc : ps_study_file_check_windows(*file, a->file, &s->diag);
}

int ps_run_study(ps_session *s, const ps_study_args *a, json_t **result)
{
	ps_execute_options options = {
		.force = a->force, .keep_caches = a->keep_caches, .disk_bytes = a->disk_bytes};
	ps_study_file *file = NULL;
	ps_graph graph = {.read_all = a->verify,
			  .keep_caches = a->keep_caches,
			  .texts_may_lack = a->dry_run && !a->clean};
	int rc = check_args(a, s->json, &s->diag);

	if (!rc)
		rc = load(s, a, &file);
	if (!rc)
		rc = check_kernel(s, a->kernel, &s->diag);
	if (!rc)
		rc = ps_study_folder_check(file, a, &s->diag);
	if (!rc)
		rc = ps_graph_build_for(&graph, s, file, a->file, a->out, a->only);
	if (!rc && !a->only && PS_PROGRAM_BYTES + ps_graph_bytes(&graph) > s->memory_bytes)
		rc = check_memory(&graph);
	if (!rc)
		rc = ps_graph_look_all(&graph);
	/* What was read now is known from now on. */
	graph.read_all = false;
	if (rc)
		goto out;
	share_disk(&graph, &options);
	if (a->clean)
		rc = clean(&graph, a, result);
	else if (a->emit)
		rc = emit(&graph, a, &options);
	else if (a->only)
		rc = only(&graph, a, &options, result);
	else if (a->dry_run)
		rc = list(&graph, &options, result);
	else
		rc = all(&graph, &options, result);
out:
	ps_costs_close(&graph);
	ps_graph_close(&graph);
	ps_study_file_free(file);
	return rc;
}
