#include "tools/study/listing.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/checked.h"
#include "tools/cmd/results_file.h"
#include "tools/run/line_text.h"
#include "tools/study/cost.h"
#include "tools/study/results.h"

static int no_memory(const ps_graph *g)
{
	return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for the listing");
}

json_t *ps_study_counts(const ps_graph *g, size_t done)
{
	size_t runs = 0;

	for (size_t i = 0; i < g->file->models_count; i++)
		runs += g->models[i].condition_count;
	return json_pack("{s:I, s:I, s:I, s:I}", "runs", (json_int_t)runs, "conditions",
			 (json_int_t)(runs - g->file->models_count), "steps", (json_int_t)g->count,
			 "steps_done_before", (json_int_t)done);
}

uint64_t ps_study_cache_peak(const ps_graph *g, const ps_execute_options *o, bool least)
{
	uint64_t peak = 0;

	for (size_t i = 0; i < g->file->models_count; i++) {
		const ps_graph_model *m = &g->models[i];
		size_t slots = least && !o->keep_caches ? ps_min_size(2, m->cache_count)
							: ps_execute_cache_slots(g, m, o);
		uint64_t all = slots * ps_graph_cache_bytes(g, m);

		peak = o->keep_caches ? peak + all : all > peak ? all : peak;
	}
	return peak;
}

uint64_t ps_study_sort_peak(const ps_graph *g)
{
	uint64_t most = 0;

	for (size_t i = 0; i < g->file->models_count; i++) {
		const uint64_t bytes = g->models[i].cache_count ? ps_cost_sort_bytes(g, i) : 0;

		most = bytes > most ? bytes : most;
	}
	return most;
}

/* --- the steps --- */

static const char *condition_name(const ps_graph *g, const ps_node *n)
{
	return g->models[n->model].conditions[n->condition].name;
}

static bool of_study(const ps_graph *g, const ps_node *n)
{
	return n == &g->nodes[g->assemble] || n == &g->nodes[g->report];
}

static json_t *step_json(const ps_graph *g, const ps_node *n)
{
	const ps_cost cost = ps_cost_of(g, n);
	const char *slash = strrchr(n->id, '/');
	char reason[160];

	ps_graph_reason(g, n, reason, sizeof reason);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:I, s:I}", "id", n->id, "model",
			 of_study(g, n) ? "" : g->models[n->model].spec->name, "condition",
			 of_study(g, n) ? "" : condition_name(g, n), "step", slash + 1, "done",
			 !ps_graph_wanted(g, n), "reason", reason, "seconds",
			 ps_number_json(cost.seconds), "memory_bytes",
			 (json_int_t)cost.memory_bytes, "disk_bytes", (json_int_t)cost.disk_bytes);
}

static int steps_json(const ps_graph *g, json_t *list)
{
	for (size_t i = 0; i < g->count; i++)
		if (json_array_append_new(list, step_json(g, &g->nodes[i])))
			return no_memory(g);
	return 0;
}

/* --- the passes that make caches --- */

static int add_pass(const ps_graph *g, const ps_graph_model *m, const size_t *conditions,
		    size_t count, json_t *list)
{
	json_t *names = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(names, json_string(m->conditions[conditions[i]].name)))
			return no_memory(g);
	return json_array_append_new(
		       list, json_pack("{s:s, s:o}", "model", m->spec->name, "conditions", names))
		       ? no_memory(g)
		       : 0;
}

/* Lists the passes as the executor would choose them. The dense cache stays on the disk, the others
 * come and go. */
static int passes_json(const ps_graph *g, const ps_execute_options *o, json_t *list)
{
	int rc = 0;

	for (size_t i = 0; i < g->file->models_count; i++) {
		const ps_graph_model *m = &g->models[i];
		const size_t slots = ps_min_size(ps_execute_cache_slots(g, m, o), PS_LIST_MAX);
		size_t group[PS_LIST_MAX], count = 0;

		for (size_t c = 0; c < m->cache_count && !rc; c++) {
			const bool dense_apart = count && group[0] && !o->keep_caches;
			const ps_node *n = &g->nodes[m->conditions[c].cache];

			if (!ps_graph_wanted(g, n))
				continue;
			if (count == slots - dense_apart ||
			    (count &&
			     !ps_step_shares(n, &g->nodes[m->conditions[group[0]].cache]))) {
				rc = add_pass(g, m, group, count, list);
				count = 0;
			}
			group[count++] = c;
		}
		if (!rc && count)
			rc = add_pass(g, m, group, count, list);
		if (rc)
			break;
	}
	return rc;
}

/* --- the sum --- */

struct total {
	double seconds;
	uint64_t memory_bytes; /* of the step that wants most */
	size_t done;
};

static struct total add_up(const ps_graph *g)
{
	struct total t = {0};
	double none;

	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];
		const ps_cost cost = ps_cost_of(g, n);

		if (!ps_graph_wanted(g, n)) {
			t.done++;
			continue;
		}
		t.memory_bytes =
			cost.memory_bytes > t.memory_bytes ? cost.memory_bytes : t.memory_bytes;
	}
	ps_cost_expect(g, NULL, 0, &none, &t.seconds);
	return t;
}

/* Columns of the longest id. */
static int id_columns(const json_t *steps)
{
	const json_t *step;
	size_t i, most = 0;

	json_array_foreach (steps, i, step)
		most = ps_max_size(most, json_string_length(json_object_get(step, "id")));
	return (int)most;
}

static void print_steps(const json_t *steps)
{
	const int columns = id_columns(steps);
	const json_t *step;
	char time[24];
	size_t i;

	json_array_foreach (steps, i, step) {
		bool done = json_is_true(json_object_get(step, "done"));

		ps_text_seconds(json_number_value(json_object_get(step, "seconds")), true, time);
		printf("%-5s %-*s %7s  %s\n", done ? "done" : "to do", columns,
		       json_string_value(json_object_get(step, "id")), done ? "" : time,
		       done ? "" : json_string_value(json_object_get(step, "reason")));
	}
}

/* Passes that make one cache say no more than its step. */
static void print_passes(const json_t *passes)
{
	const json_t *pass, *name;
	size_t i, j;

	json_array_foreach (passes, i, pass) {
		const json_t *conditions = json_object_get(pass, "conditions");

		if (json_array_size(conditions) < 2)
			continue;
		printf("caches in one pass: %s", json_string_value(json_object_get(pass, "model")));
		json_array_foreach (conditions, j, name)
			printf("%s %s", j ? "," : "", json_string_value(name));
		putchar('\n');
	}
}

/* The study file's counts as they were understood: "600k" is 600000. */
static void print_counts(const ps_study_file *f)
{
	printf("\ntokens: %lld to train each SAE, caches of %lld, %lld to calibrate Wanda, ",
	       (long long)f->train_tokens, (long long)f->cache_tokens,
	       (long long)f->calibration_tokens);
	if (f->ppl.max_tokens)
		printf("%lld of perplexity\n", (long long)f->ppl.max_tokens);
	else
		puts("perplexity of the whole text");
}

static void print_total(const ps_graph *g, const ps_execute_options *o, const struct total *t)
{
	char disk[24], memory[24], budget[24], time[24];
	const uint64_t sorts = o->sort_bytes ? ps_study_sort_peak(g) : 0,
		       all = ps_study_cache_peak(g, &(ps_execute_options){.keep_caches = true},
						 false);

	ps_text_seconds(t->seconds, true, time);
	print_counts(g->file);
	printf("%zu steps, %zu of them done; ", g->count, t->done);
	if (t->done < g->count)
		printf("about %s to go\n", time);
	else
		puts("nothing is to do");
	if (t->done < g->count)
		printf("memory: the largest step wants %s of %s\n",
		       ps_size_format((size_t)t->memory_bytes, memory),
		       ps_size_format(g->session->memory_bytes, budget));
	printf("disk: caches take at most %s at a time",
	       ps_size_format((size_t)ps_study_cache_peak(g, o, false), disk));
	if (!o->keep_caches)
		printf("; with --keep-caches %s, and what is added to the study later reads them",
		       ps_size_format((size_t)all, disk));
	putchar('\n');
	if (sorts)
		printf("disk: a training takes up to %s more to sort rows that exceed memory\n",
		       ps_size_format((size_t)sorts, disk));
}

int ps_study_list(const ps_graph *g, const ps_execute_options *o, json_t **result)
{
	const struct total t = add_up(g);
	const uint64_t caches = ps_study_cache_peak(g, o, false),
		       sorts = o->sort_bytes ? ps_study_sort_peak(g) : 0, disk = caches + sorts;
	json_t *steps = json_array(), *passes = json_array(), *counts = ps_study_counts(g, t.done);
	json_t *needs = json_pack(
		"{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:O?, s:O?}", "dry_run", true,
		"train_tokens", (json_int_t)g->file->train_tokens, "cache_tokens",
		(json_int_t)g->file->cache_tokens, "calibration_tokens",
		(json_int_t)g->file->calibration_tokens, "disk_bytes", (json_int_t)disk,
		"sort_bytes", (json_int_t)sorts, "memory_bytes", (json_int_t)t.memory_bytes,
		"budget_bytes", (json_int_t)g->session->memory_bytes, "seconds",
		ps_number_json(t.seconds), "listing", steps, "cache_passes", passes);
	int rc = steps && passes && counts && needs ? steps_json(g, steps) : no_memory(g);

	if (!rc)
		rc = passes_json(g, o, passes);
	if (!rc && json_object_update(counts, needs))
		rc = no_memory(g);
	if (!rc && !g->session->json) {
		print_steps(steps);
		print_passes(passes);
		print_total(g, o, &t);
	}
	if (!rc && g->session->json)
		*result = counts;
	else
		json_decref(counts);
	json_decref(needs);
	json_decref(passes);
	json_decref(steps);
	return rc;
}

int ps_study_print_results(const ps_graph *g)
{
	json_t *results = NULL;
	int rc;

	if (g->session->json || g->session->quiet)
		return 0;
	rc = ps_results_file_read(g->session, g->out, &results);
	if (!rc)
		ps_results_print(results);
	json_decref(results);
	return rc;
}
