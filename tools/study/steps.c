#include "tools/study/steps.h"

#include <string.h>

#include "tools/study/assemble.h"
#include "tools/study/graph.h"

static int run_tokenize(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	(void)count;
	return ps_run_tokenize(g->session, nodes[0]->args, results);
}

/* Makes the masks of several sparsities in one go. */
static int run_prune(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	const ps_prune_args *args[PS_LIST_MAX] = {NULL};

	for (size_t i = 0; i < count; i++)
		args[i] = nodes[i]->args;
	return ps_run_prune(g->session, args, count, results);
}

static int run_sparsity(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	(void)count;
	return ps_run_sparsity(g->session, nodes[0]->args, results);
}

/* Scores several conditions in one pass over the weights. The result has no I/O backend: a record
 * does not say how the weights were read. */
static int run_ppl(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	const ps_ppl_args *args[PS_LIST_MAX] = {NULL};
	int rc;

	for (size_t i = 0; i < count; i++)
		args[i] = nodes[i]->args;
	rc = ps_run_ppl(g->session, args, count, results);
	for (size_t i = 0; i < count && !rc; i++)
		json_object_del(results[i], "backend");
	return rc;
}

/* Makes the caches of several conditions in one pass over the weights. */
static int run_cache(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	ps_cache_args args = *(const ps_cache_args *)nodes[0]->args;
	json_t *whole = NULL;
	int rc;

	for (size_t i = 1; i < count; i++)
		args.variants[i] = ((const ps_cache_args *)nodes[i]->args)->variants[0];
	args.variant_count = count;
	rc = ps_run_cache(g->session, &args, &whole);
	for (size_t i = 0; i < count && !rc; i++) {
		results[i] = json_pack("{s:O}", "tokens", json_object_get(whole, "rows"));
		if (!results[i])
			rc = ps_fail(&g->session->diag, PS_EBUDGET, "no memory for a result");
	}
	json_decref(whole);
	return rc;
}

/* SAEs that take the same rows in one order are trained from one read of the cache. The results
 * have no times: a record does not say how long the training took. */
static int run_train(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	ps_train_args *args = ps_graph_take(g, count * sizeof *args);
	int rc;

	if (!args)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for %zu SAEs", count);
	for (size_t i = 0; i < count; i++) {
		args[i] = *(const ps_train_args *)nodes[i]->args;
		args[i].disk = g->sort_bytes;
	}
	rc = ps_run_trains(g->session, args, count, results);
	for (size_t i = 0; i < count && !rc; i++) {
		json_object_del(results[i], "seconds");
		json_object_del(results[i], "tokens_per_s");
	}
	return rc;
}

static int run_transfer(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	(void)count;
	return ps_run_transfer(g->session, nodes[0]->args, results);
}

static int run_features(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	(void)count;
	return ps_run_features(g->session, nodes[0]->args, results);
}

static int run_splice(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	(void)count;
	return ps_run_eval(g->session, nodes[0]->args, results);
}

static int run_ablate(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	(void)count;
	return ps_run_ablate(g->session, nodes[0]->args, results);
}

static int run_seeds(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	(void)count;
	return ps_run_seeds(g->session, nodes[0]->args, results);
}

/* Several conditions of a model share the dense SAEs and the firing of their latents. */
static int run_survival(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	ps_survival_args args = *(const ps_survival_args *)nodes[0]->args;
	ps_text_list *pruned = ps_graph_take(g, count * sizeof *pruned);

	if (!pruned)
		return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for %zu conditions",
			       count);
	for (size_t i = 0; i < count; i++)
		pruned[i] = ((const ps_survival_args *)nodes[i]->args)->pruned[0];
	args.count = count;
	args.pruned = pruned;
	return ps_run_survival(g->session, &args, results);
}

/* Where the study lies is no part of the result. */
static int run_report(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	int rc = ps_run_report(g->session, &(ps_report_args){.folder = g->out, .replace = true},
			       results);

	(void)count, (void)nodes;
	if (!rc)
		json_object_del(*results, "report");
	return rc;
}

/* Whether two texts are equal, or both NULL. */
static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_weights(const ps_cache_args *a, const ps_cache_args *b)
{
	return same_text(a->model, b->model) && same_text(a->changed_from, b->changed_from);
}

static bool same_controls(const ps_survival_args *a, const ps_survival_args *b)
{
	bool same = a->controls.count == b->controls.count;

	for (size_t i = 0; i < a->controls.count && same; i++)
		same = same_text(a->controls.item[i], b->controls.item[i]);
	return same;
}

/* Magnitude and Wanda make the masks of several sparsities. What belongs to the method is the same
 * in the whole study. */
static bool same_sweep(const ps_prune_args *a, const ps_prune_args *b)
{
	return a->sparsity >= 0 && b->sparsity >= 0 && !strcmp(a->method, b->method) &&
	       strcmp(a->method, "random");
}

bool ps_step_shares(const ps_node *a, const ps_node *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->model != b->model)
		return false;
	switch (a->kind->step) {
	case PS_STEP_PRUNE:
		return same_sweep(a->args, b->args);
	case PS_STEP_PPL:
		return same_text(((const ps_ppl_args *)a->args)->model,
				 ((const ps_ppl_args *)b->args)->model);
	case PS_STEP_CACHE:
		return same_weights(a->args, b->args);
	case PS_STEP_TRAIN:
		return ps_train_args_share(a->args, b->args);
	case PS_STEP_SURVIVAL:
		return same_controls(a->args, b->args);
	default:
		return true;
	}
}

const ps_step_kind ps_step_kinds[PS_STEPS] = {
	[PS_STEP_TOKENIZE] = {.step = PS_STEP_TOKENIZE,
			      .command = "tokenize",
			      .arguments = &ps_tokenize_arguments,
			      .batch_max = 1,
			      .run = run_tokenize,
			      .headline = "tokens"},
	[PS_STEP_PRUNE] = {.step = PS_STEP_PRUNE,
			   .command = "prune",
			   .arguments = &ps_prune_arguments,
			   .forward = true,
			   .batch_max = PS_LIST_MAX,
			   .run = run_prune,
			   .headline = "sparsity_achieved"},
	[PS_STEP_SPARSITY] = {.step = PS_STEP_SPARSITY,
			      .command = "sparsity",
			      .arguments = &ps_sparsity_arguments,
			      .batch_max = 1,
			      .run = run_sparsity,
			      .headline = "sparsity_achieved"},
	[PS_STEP_PPL] = {.step = PS_STEP_PPL,
			 .command = "ppl",
			 .arguments = &ps_ppl_arguments,
			 .forward = true,
			 .batch_max = PS_LIST_MAX,
			 .run = run_ppl,
			 .headline = "ppl"},
	[PS_STEP_CACHE] = {.step = PS_STEP_CACHE,
			   .command = "cache",
			   .arguments = &ps_cache_arguments,
			   .forward = true,
			   .transient = true,
			   .batch_max = PS_LIST_MAX,
			   .run = run_cache,
			   .headline = "tokens"},
	[PS_STEP_TRAIN] = {.step = PS_STEP_TRAIN,
			   .command = "train",
			   .arguments = &ps_train_arguments,
			   .batch_max = PS_LIST_MAX,
			   .run = run_train,
			   .headline = "fvu"},
	[PS_STEP_TRANSFER] = {.step = PS_STEP_TRANSFER,
			      .command = "transfer",
			      .arguments = &ps_transfer_arguments,
			      .batch_max = 1,
			      .run = run_transfer,
			      .headline = "jaccard"},
	[PS_STEP_FEATURES] = {.step = PS_STEP_FEATURES,
			      .command = "features",
			      .arguments = &ps_features_arguments,
			      .forward = true,
			      .batch_max = 1,
			      .run = run_features,
			      .headline = "survived"},
	[PS_STEP_SPLICE] = {.step = PS_STEP_SPLICE,
			    .command = "eval",
			    .arguments = &ps_eval_arguments,
			    .forward = true,
			    .batch_max = 1,
			    .run = run_splice,
			    .headline = "ce_recovered"},
	[PS_STEP_ABLATE] = {.step = PS_STEP_ABLATE,
			    .command = "ablate",
			    .arguments = &ps_ablate_arguments,
			    .forward = true,
			    .batch_max = 1,
			    .run = run_ablate,
			    .headline = "mean_effect"},
	[PS_STEP_SEEDS] = {.step = PS_STEP_SEEDS,
			   .command = "seeds",
			   .arguments = &ps_seeds_arguments,
			   .summary = true,
			   .batch_max = 1,
			   .run = run_seeds},
	[PS_STEP_SURVIVAL] = {.step = PS_STEP_SURVIVAL,
			      .command = "survival",
			      .arguments = &ps_survival_arguments,
			      .summary = true,
			      .batch_max = PS_LIST_MAX,
			      .run = run_survival},
	[PS_STEP_ASSEMBLE] = {.step = PS_STEP_ASSEMBLE,
			      .command = "assemble",
			      .summary = true,
			      .batch_max = 1,
			      .run = ps_assemble},
	[PS_STEP_REPORT] = {.step = PS_STEP_REPORT,
			    .command = "report",
			    .summary = true,
			    .batch_max = 1,
			    .run = run_report},
};
