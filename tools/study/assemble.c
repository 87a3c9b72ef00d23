#include "tools/study/assemble.h"
#include "tools/cmd/result.h"

#include <stdlib.h>
#include <string.h>

#include "io/file.h"
#include "tools/study/results.h"

/* The inputs of results.h, filled in from the nodes. All JSON in it is borrowed from the graph. */
struct gathered {
	ps_model_records *models;
	ps_condition_records *conditions;  /* of all models, each with the dense one first */
	const json_t **train;              /* (conditions, PS_LIST_MAX) */
	const json_t **transfer, **splice; /* the same */
	const json_t **ablation;           /* (models, PS_LIST_MAX) */
	const char **kernels;
	size_t kernel_count;
};

static const json_t *result_of(const ps_graph *g, size_t node)
{
	return node == PS_NO_NODE ? NULL : g->nodes[node].result;
}

/* As results.json names it. */
static const char *control_kind(const ps_graph_condition *c)
{
	static const char *const kinds[] = {
		[PS_CONDITION_RANDOM] = "random",   [PS_CONDITION_ROUNDED] = "rounded",
		[PS_CONDITION_MATCHED] = "matched", [PS_CONDITION_RETRAIN] = "retrain",
		[PS_CONDITION_FROZEN] = "frozen",   [PS_CONDITION_CHECKPOINT] = "checkpoint",
	};

	return kinds[c->kind];
}

static const json_t **results_of(const ps_graph *g, const size_t *nodes, size_t count,
				 const json_t **results)
{
	for (size_t i = 0; i < count; i++)
		results[i] = result_of(g, nodes[i]);
	return results;
}

/* A path of the study's folder, as results.json names it. */
static const char *inside(const ps_graph *g, const char *path)
{
	return path ? path + strlen(g->out) + 1 : NULL;
}

static void gather_features(const ps_graph *g, size_t node, ps_condition_records *records)
{
	const ps_node *n = node == PS_NO_NODE ? NULL : &g->nodes[node];

	if (!n)
		return;
	records->features = n->result;
	records->table = inside(g, n->output);
	records->csv = inside(g, n->beside[0]);
	records->cards = inside(g, n->beside[1]);
}

/* index: of the condition among those of all models. */
static ps_condition_records gather_condition(const ps_graph *g, const ps_graph_model *m,
					     const ps_graph_condition *c, struct gathered *out,
					     size_t index)
{
	ps_condition_records records = {
		.name = c->name,
		.control = control_kind(c),
		.match = c->kind == PS_CONDITION_MATCHED,
		.like = c->like ? m->conditions[c->like].name : NULL,
		.method = c->method,
		.sparsity = c->sparsity,
		.mask_path = c->mask == PS_NO_NODE ? NULL : g->nodes[c->mask].output,
		.mask = result_of(g, c->mask),
		.zeros = result_of(g, c->zeros),
		.ppl = result_of(g, c->ppl),
		.transfer = results_of(g, c->transfer, c->transfers,
				       out->transfer + index * PS_LIST_MAX),
		.transfers = c->transfers,
		.dictionary = result_of(g, c->dictionary),
		.splice = results_of(g, c->splice, c->splices, out->splice + index * PS_LIST_MAX),
		.splices = c->splices,
		.findings = result_of(g, c->survival),
		.train = results_of(g, c->train, c->seeds, out->train + index * PS_LIST_MAX),
		.seeds = c->seeds,
	};
	gather_features(g, c->features, &records);
	return records;
}

static void gather_models(const ps_graph *g, struct gathered *out)
{
	size_t at = 0;

	for (size_t i = 0; i < g->file->models_count; i++) {
		const ps_graph_model *m = &g->models[i];
		ps_condition_records *first = &out->conditions[at];

		for (size_t c = 0; c < m->condition_count; c++, at++)
			out->conditions[at] = gather_condition(g, m, &m->conditions[c], out, at);
		out->models[i] = (ps_model_records){
			.name = m->spec->name,
			.config = &m->config,
			.layer = m->spec->layer,
			.digest = m->digest,
			.weight_bytes = m->weight_bytes,
			.dictionary = m->spec->dictionary,
			.dictionary_shape = &m->dictionary,
			.seeds = result_of(g, m->seeds),
			.ablation = results_of(g, m->ablation, m->ablations,
					       out->ablation + i * PS_LIST_MAX),
			.ablations = m->ablations,
			.spliced_ablation = result_of(g, m->spliced_ablation),
			.dense = first[0],
			.conditions = first + 1,
			.condition_count = m->pruned_count,
			.controls = first + 1 + m->pruned_count,
			.control_count = m->condition_count - 1 - m->pruned_count,
		};
	}
}

static void note_kernel(struct gathered *out, const char *kernel)
{
	if (kernel && strcmp(kernel, PS_NO_KERNEL))
		out->kernels[out->kernel_count++] = kernel;
}

/* The kernels that the records name, and those of the caches that were read. Tokenizing uses none;
 * summaries repeat those of others. */
static void gather_kernels(const ps_graph *g, struct gathered *out)
{
	for (size_t i = 0; i < g->count; i++) {
		const ps_node *n = &g->nodes[i];

		note_kernel(out, n->kernel);
		for (size_t k = 0; k < json_array_size(n->cache_kernels); k++)
			note_kernel(out, json_string_value(json_array_get(n->cache_kernels, k)));
	}
}

/* The most kernels that gather_kernels can note. */
static size_t count_kernels(const ps_graph *g)
{
	size_t count = g->count;

	for (size_t i = 0; i < g->count; i++)
		count += json_array_size(g->nodes[i].cache_kernels);
	return count;
}

static int allocate(const ps_graph *g, struct gathered *out)
{
	size_t conditions = 0;

	for (size_t i = 0; i < g->file->models_count; i++)
		conditions += g->models[i].condition_count;
	out->models = calloc(g->file->models_count, sizeof *out->models);
	out->conditions = calloc(conditions, sizeof *out->conditions);
	out->train = calloc(conditions * PS_LIST_MAX, sizeof *out->train);
	out->transfer = calloc(conditions * PS_LIST_MAX, sizeof *out->transfer);
	out->splice = calloc(conditions * PS_LIST_MAX, sizeof *out->splice);
	out->ablation = calloc(g->file->models_count * PS_LIST_MAX, sizeof *out->ablation);
	out->kernels = calloc(count_kernels(g), sizeof *out->kernels);
	if (out->models && out->conditions && out->train && out->transfer && out->splice &&
	    out->ablation && out->kernels)
		return 0;
	return ps_fail(&g->session->diag, PS_EBUDGET, "no memory for results.json");
}

static int write_results(ps_graph *g, const struct gathered *in, json_t **result)
{
	const ps_results_input input = {
		.file = g->file,
		.models = in->models,
		.model_count = g->file->models_count,
		.kernels = in->kernels,
		.kernel_count = in->kernel_count,
		.ppl_text_trained = g->ppl_text_trained,
		.bootstrap = {.replicates = (size_t)g->file->bootstrap.samples,
			      .confidence = 0.95,
			      .seed = (uint64_t)g->file->seeds[0]},
	};
	json_t *whole = NULL;
	int rc = ps_results_make(&input, &g->session->context, &whole);

	if (!rc)
		rc = ps_file_replace_json(&ps_sys_linux, g->nodes[g->assemble].output, whole,
					  &g->session->diag);
	json_decref(whole);
	if (rc)
		return rc;
	return ps_result_set(result,
			     json_pack("{s:I}", "models", (json_int_t)g->file->models_count),
			     &g->session->diag);
}

int ps_assemble(ps_graph *g, ps_node *const *nodes, size_t count, json_t **results)
{
	struct gathered gathered = {0};
	int rc = allocate(g, &gathered);

	(void)nodes, (void)count;
	if (!rc) {
		gather_models(g, &gathered);
		gather_kernels(g, &gathered);
		rc = write_results(g, &gathered, results);
	}
	free(gathered.models);
	free(gathered.conditions);
	free(gathered.train);
	free(gathered.transfer);
	free(gathered.splice);
	free(gathered.ablation);
	free(gathered.kernels);
	return rc;
}
