/* Hands the records of a ps_study to results.h.
 *
 * Records of transfer and ablation steps have an older form. This file turns them into the form
 * that results.h takes. */
#include <stdlib.h>

#include "tools/study/results.h"
#include "tools/study/study.h"

struct adapted {
	ps_model_records *models;         /* (model_count) */
	ps_condition_records *conditions; /* of all models; each model has the dense one first */
	const json_t **train;             /* (conditions, PS_STUDY_SEEDS_MAX) */
	char (*mask_path)[PS_STUDY_PATH + 64]; /* (conditions) */
	json_t *made;                          /* list of the records that were turned; owns them */
	size_t model_count;
};

/* From `m` = interval to `m` = estimate and `m_interval` = interval. Borrowed from `made`. */
static const json_t *new_transfer(const json_t *old, json_t *made)
{
	static const char *const measures[] = {"jaccard",    "cosine",   "fvu_dense", "fvu",
					       "fvu_change", "l0_dense", "l0",        "l0_change"};
	json_t *record = json_object();
	char name[32];

	for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
		json_t *interval = json_object_get(old, measures[i]);

		snprintf(name, sizeof name, "%s_interval", measures[i]);
		json_object_set(record, measures[i], json_object_get(interval, "estimate"));
		json_object_set(record, name, interval);
	}
	json_array_append_new(made, record);
	return record;
}

/* Counts the latents and averages their effects; the lists are not needed any more. */
static const json_t *new_ablation(const json_t *old, json_t *made)
{
	const json_t *effects = json_object_get(old, "effect");
	size_t n = json_array_size(effects);
	double sum = 0;
	json_t *record;

	if (!n)
		return NULL;
	for (size_t i = 0; i < n; i++)
		sum += json_number_value(json_array_get(effects, i));
	record = json_pack("{s:I, s:f}", "latents", (json_int_t)n, "mean_effect", sum / (double)n);
	json_array_append_new(made, record);
	return record;
}

static ps_condition_records adapt_condition(const ps_study_condition *c, const json_t **train,
					    char *mask_path, json_t *made)
{
	for (size_t i = 0; i < c->seeds; i++)
		train[i] = c->train[i].result;
	return (ps_condition_records){
		.method = c->method,
		.sparsity = c->sparsity,
		.mask_path = c->method ? ps_study_path(c, "mask.safetensors", mask_path) : NULL,
		.mask = c->mask.result,
		.ppl = c->ppl.result,
		.transfer = c->transfer.result ? new_transfer(c->transfer.result, made) : NULL,
		.splice = c->splice.result,
		.findings = c->findings.result,
		.train = train,
		.seeds = c->seeds};
}

static void adapt_models(const ps_study *study, struct adapted *a)
{
	size_t at = 0;

	for (size_t m = 0; m < a->model_count; m++) {
		const ps_study_run *run = &study->runs[m];
		size_t first = at;

		for (size_t i = 0; i < run->condition_count; i++, at++)
			a->conditions[at] = adapt_condition(&run->conditions[i],
							    a->train + at * PS_STUDY_SEEDS_MAX,
							    a->mask_path[at], a->made);
		a->models[m] =
			(ps_model_records){.name = run->spec->name,
					   .config = &run->config,
					   .layer = run->spec->layer,
					   .digest = run->model_digest,
					   .weight_bytes = run->weight_bytes,
					   .seeds = run->seeds.result,
					   .ablation = new_ablation(run->ablation.result, a->made),
					   .dense = a->conditions[first],
					   .conditions = a->conditions + first + 1,
					   .condition_count = run->condition_count - 1};
	}
}

int ps_study_results(ps_study *study, json_t **results)
{
	struct adapted a = {.model_count = study->f->models_count};
	size_t count = 0;
	int rc;

	for (size_t m = 0; m < a.model_count; m++)
		count += study->runs[m].condition_count;
	a.models = calloc(a.model_count, sizeof *a.models);
	a.conditions = calloc(count, sizeof *a.conditions);
	a.train = calloc(count * PS_STUDY_SEEDS_MAX, sizeof *a.train);
	a.mask_path = calloc(count, sizeof *a.mask_path);
	a.made = json_array();
	if (!a.models || !a.conditions || !a.train || !a.mask_path || !a.made) {
		rc = ps_fail(&study->s->diag, PS_EBUDGET, "no memory for results.json");
		goto out;
	}
	adapt_models(study, &a);
	rc = ps_results_make(&(ps_results_input){.file = study->f,
						 .models = a.models,
						 .model_count = a.model_count,
						 .bootstrap = ps_study_bootstrap(study)},
			     &study->s->context, results);
out:
	json_decref(a.made);
	free(a.mask_path);
	free(a.train);
	free(a.conditions);
	free(a.models);
	return rc;
}
