#include "analysis/report/report_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAME_SPARSITY 1e-9
#define NONE ((double)NAN)

/* The child of a node named by the first `length` characters of part. */
static const json_t *child(const json_t *node, const char *part, size_t length)
{
	char key[64], *end;
	unsigned long index;

	if (length == 0 || length >= sizeof key)
		return NULL;
	memcpy(key, part, length);
	key[length] = 0;
	if (!json_is_array(node))
		return json_object_get(node, key);
	index = strtoul(key, &end, 10);
	return *end ? NULL : json_array_get(node, index);
}

const json_t *ps_results_at(const json_t *object, const char *path)
{
	while (object && *path) {
		size_t length = strcspn(path, ".");

		object = child(object, path, length);
		path += length + (path[length] == '.');
	}
	return object;
}

double ps_results_number(const json_t *object, const char *path)
{
	const json_t *value = ps_results_at(object, path);

	return json_is_number(value) ? json_number_value(value) : NONE;
}

const char *ps_results_text(const json_t *object, const char *path)
{
	const char *text = json_string_value(ps_results_at(object, path));

	return text ? text : "";
}

ps_interval ps_results_interval(const json_t *object, const char *path)
{
	const json_t *node = ps_results_at(object, path);

	return (ps_interval){.estimate = ps_results_number(node, "estimate"),
			     .low = ps_results_number(node, "low"),
			     .high = ps_results_number(node, "high")};
}

const json_t *ps_results_model(const ps_results *results, size_t index)
{
	return json_array_get(results->models, index);
}

const json_t *ps_results_condition(const ps_results *results, size_t index)
{
	return json_array_get(results->conditions, index);
}

const json_t *ps_results_find(const ps_results *results, const char *model, const char *method,
			      double sparsity)
{
	for (size_t i = 0; i < results->condition_count; i++) {
		const json_t *c = ps_results_condition(results, i);

		if (!strcmp(ps_results_text(c, "model"), model) &&
		    !strcmp(ps_results_text(c, "method"), method) &&
		    fabs(ps_results_number(c, "sparsity") - sparsity) < SAME_SPARSITY)
			return c;
	}
	return NULL;
}

const json_t *ps_results_model_of(const ps_results *results, const json_t *condition)
{
	for (size_t i = 0; i < results->model_count; i++)
		if (!strcmp(ps_results_text(ps_results_model(results, i), "name"),
			    ps_results_text(condition, "model")))
			return ps_results_model(results, i);
	return NULL;
}

double ps_results_mean(const json_t *array, const char *path)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(array); i++) {
		double value = ps_results_number(json_array_get(array, i), path);

		if (isfinite(value)) {
			sum += value;
			n++;
		}
	}
	return n ? sum / (double)n : NONE;
}

bool ps_results_range(const json_t *array, const char *path, double *least, double *largest)
{
	bool found = false;

	for (size_t i = 0; i < json_array_size(array); i++) {
		double value = ps_results_number(json_array_get(array, i), path);

		if (!isfinite(value))
			continue;
		*least = !found || value < *least ? value : *least;
		*largest = !found || value > *largest ? value : *largest;
		found = true;
	}
	return found;
}

double ps_results_other_seed(const json_t *condition)
{
	double number = ps_results_number(condition, "mnn_survival_independent");

	return isfinite(number) ? number
				: ps_results_number(condition, "mnn_survival_independent.2");
}

double ps_results_reference_change(const ps_results *results, const json_t *condition)
{
	double pruned = ps_results_number(condition, "reference.ppl");
	double dense = ps_results_number(ps_results_model_of(results, condition), "reference.ppl");

	return results->reference_text && pruned > 0 && dense > 0 ? log(pruned / dense) : NONE;
}

double ps_results_dense_fvu(const json_t *condition)
{
	return ps_results_number(condition, "fvu") -
	       ps_results_number(condition, "fvu_change_interval.estimate");
}

const json_t *ps_results_reference_diagnostic(const ps_results *results, const char *key)
{
	static const char *const named[][2] = {{"jaccard", "Spearman of fixed-dictionary Jaccard"},
					       {"mnn_survival", "Spearman of MNN survival"},
					       {"fvu", "Spearman of fixed-dictionary FVU"},
					       {"fragility", "Spearman of S(Q1) - S(Q5)"}};
	const json_t *findings = json_object_get(results->root, "reference_findings");

	for (size_t d = 0; d < sizeof named / sizeof *named; d++)
		for (size_t i = 0; !strcmp(named[d][0], key) && i < json_array_size(findings); i++)
			if (!strncmp(ps_results_text(json_array_get(findings, i), "text"),
				     named[d][1], strlen(named[d][1])))
				return json_array_get(findings, i);
	return NULL;
}

const char *ps_method_label(const char *method)
{
	return strcmp(method, "wanda") ? method : "Wanda";
}

static int note_method(ps_results *results, const char *method, ps_diag *diag)
{
	for (size_t i = 0; i < results->method_count; i++)
		if (!strcmp(results->methods[i], method))
			return 0;
	if (results->method_count == PS_RESULTS_METHODS)
		return ps_fail(diag, PS_EINPUT, "results of more than %d methods",
			       PS_RESULTS_METHODS);
	results->methods[results->method_count++] = method;
	return 0;
}

static int note_sparsity(ps_results *results, double sparsity, ps_diag *diag)
{
	size_t at = 0;

	while (at < results->sparsity_count && results->sparsities[at] < sparsity - SAME_SPARSITY)
		at++;
	if (at < results->sparsity_count &&
	    fabs(results->sparsities[at] - sparsity) < SAME_SPARSITY)
		return 0;
	if (results->sparsity_count == PS_RESULTS_SPARSITIES)
		return ps_fail(diag, PS_EINPUT, "results of more than %d sparsities",
			       PS_RESULTS_SPARSITIES);
	memmove(results->sparsities + at + 1, results->sparsities + at,
		(results->sparsity_count - at) * sizeof *results->sparsities);
	results->sparsities[at] = sparsity;
	results->sparsity_count++;
	return 0;
}

static int check_condition(ps_results *results, size_t index, ps_diag *diag)
{
	const json_t *c = ps_results_condition(results, index);
	const char *method = ps_results_text(c, "method");
	double sparsity = ps_results_number(c, "sparsity");
	int rc;

	if (!*method || !(sparsity >= 0 && sparsity <= 1))
		return ps_fail(diag, PS_EINPUT,
			       "conditions[%zu] lacks a method, or a sparsity from 0 to 1", index);
	if (!ps_results_model_of(results, c))
		return ps_fail(diag, PS_EINPUT,
			       "conditions[%zu] is of the model \"%s\", which models does not list",
			       index, ps_results_text(c, "model"));
	rc = note_method(results, method, diag);
	return rc ? rc : note_sparsity(results, sparsity, diag);
}

int ps_results_open(ps_results *results, const json_t *root, ps_diag *diag)
{
	int rc = 0;

	*results = (ps_results){.root = root,
				.models = json_object_get(root, "models"),
				.conditions = json_object_get(root, "conditions")};
	if (!json_is_array(results->models) || !json_is_array(results->conditions))
		return ps_fail(diag, PS_EINPUT,
			       "no results of a study: the lists \"models\" and \"conditions\" are "
			       "not both there");
	if (json_integer_value(json_object_get(root, "version")) != PS_RESULTS_VERSION)
		return ps_fail(diag, PS_EINPUT, "results of another version than %d",
			       PS_RESULTS_VERSION);
	results->model_count = json_array_size(results->models);
	results->condition_count = json_array_size(results->conditions);
	results->reference_text = json_is_true(json_object_get(root, "ppl_text_is_reference"));
	for (size_t i = 0; i < results->model_count; i++)
		if (!*ps_results_text(ps_results_model(results, i), "name"))
			return ps_fail(diag, PS_EINPUT, "models[%zu] has no name", i);
	for (size_t i = 0; i < results->condition_count && !rc; i++)
		rc = check_condition(results, i, diag);
	return rc;
}
