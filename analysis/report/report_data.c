#include "analysis/report/report_data.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define SAME_SPARSITY 1e-9
#define NONE ((double)NAN)

const json_t *ps_results_at(const json_t *object, ps_results_path path)
{
	ps_results_object holder = PS_OBJECT_NONE;

	for (int i = 0; i < PS_PATH_MAX && path.key[i]; i++) {
		const ps_results_field *field = ps_results_field_of(path.key[i]);

		assert(!holder || field->object == holder);
		holder = field->of;
		object = json_object_get(object, field->name);
		if (json_is_array(object) && path.item)
			object = json_array_get(object, path.item - 1);
	}
	return object;
}

double ps_results_number(const json_t *object, ps_results_path path)
{
	return ps_json_number(ps_results_at(object, path));
}

const char *ps_results_text(const json_t *object, ps_results_path path)
{
	const char *text = json_string_value(ps_results_at(object, path));

	return text ? text : "";
}

static ps_no_interval_reason why_of(const char *text)
{
	for (int why = PS_WHY_FEW; why <= PS_WHY_UNDEFINED; why++)
		if (!strcmp(ps_no_interval_name((ps_no_interval_reason)why), text))
			return (ps_no_interval_reason)why;
	return PS_WHY_NONE;
}

ps_interval ps_results_interval(const json_t *object, ps_results_path path)
{
	const json_t *interval = ps_results_at(object, path);

	return (ps_interval){
		.estimate = ps_results_number(interval, PS_AT(INTERVAL_ESTIMATE)),
		.low = ps_results_number(interval, PS_AT(INTERVAL_LOW)),
		.high = ps_results_number(interval, PS_AT(INTERVAL_HIGH)),
		.p = ps_results_number(interval, PS_AT(INTERVAL_P)),
		.n = (size_t)json_integer_value(ps_results_at(interval, PS_AT(INTERVAL_N))),
		.why = why_of(ps_results_text(interval, PS_AT(INTERVAL_WHY)))};
}

ps_interval ps_results_finding(const json_t *finding)
{
	return (ps_interval){.estimate = ps_results_number(finding, PS_AT(FINDING_VALUE)),
			     .low = ps_results_number(finding, PS_AT(FINDING_LOW)),
			     .high = ps_results_number(finding, PS_AT(FINDING_HIGH))};
}

const json_t *ps_results_model(const ps_results *results, size_t index)
{
	return json_array_get(results->models, index);
}

const json_t *ps_results_condition(const ps_results *results, size_t index)
{
	return json_array_get(results->conditions, index);
}

const json_t *ps_results_control(const ps_results *results, size_t index)
{
	return json_array_get(results->controls, index);
}

const json_t *ps_results_retrain(const ps_results *results, const char *model)
{
	for (size_t i = 0; i < results->control_count; i++) {
		const json_t *c = ps_results_control(results, i);

		if (!strcmp(ps_results_text(c, PS_AT(CONTROL_MODEL)), model) &&
		    !strcmp(ps_results_text(c, PS_AT(CONTROL_KIND)), "retrain"))
			return c;
	}
	return NULL;
}

const char *ps_control_label(const json_t *control)
{
	static const char *const labels[][2] = {{"retrain", "unpruned retrain"},
						{"frozen-decoder", "frozen decoder"},
						{"frozen-encoder", "frozen encoder"}};
	const char *name = ps_results_text(control, PS_AT(CONTROL_NAME));

	if (!strcmp(ps_results_text(control, PS_AT(CONTROL_KIND)), "checkpoint"))
		return name;
	for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
		if (!strcmp(labels[i][0], name))
			return labels[i][1];
	return name;
}

const char *ps_results_model_name(const ps_results *results, size_t index)
{
	return ps_results_text(ps_results_model(results, index), PS_AT(MODEL_NAME));
}

const json_t *ps_results_find(const ps_results *results, const char *model, const char *method,
			      double sparsity)
{
	for (size_t i = 0; i < results->condition_count; i++) {
		const json_t *c = ps_results_condition(results, i);

		if (!strcmp(ps_results_text(c, PS_AT(CONDITION_MODEL)), model) &&
		    !strcmp(ps_results_text(c, PS_AT(CONDITION_METHOD)), method) &&
		    fabs(ps_results_number(c, PS_AT(CONDITION_SPARSITY)) - sparsity) <
			    SAME_SPARSITY)
			return c;
	}
	return NULL;
}

double ps_results_mean(const json_t *list, ps_results_path path)
{
	double sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		double value = ps_results_number(json_array_get(list, i), path);

		if (isfinite(value)) {
			sum += value;
			n++;
		}
	}
	return n ? sum / (double)n : NONE;
}

bool ps_results_range(const json_t *list, ps_results_path path, double *least, double *largest)
{
	bool found = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		double value = ps_results_number(json_array_get(list, i), path);

		if (!isfinite(value))
			continue;
		*least = !found || value < *least ? value : *least;
		*largest = !found || value > *largest ? value : *largest;
		found = true;
	}
	return found;
}

/* Whether a text is the keys of a path, joined by dots. */
static bool names_path(const char *text, ps_results_path path)
{
	for (int i = 0; i < PS_PATH_MAX && path.key[i]; i++) {
		const char *name = ps_results_field_of(path.key[i])->name;
		size_t length = strlen(name);

		if (i && *text++ != '.')
			return false;
		if (strncmp(text, name, length))
			return false;
		text += length;
	}
	return !*text;
}

const json_t *ps_results_family(const ps_results *results, ps_results_path path)
{
	const json_t *families = ps_results_at(results->root, PS_AT(ROOT_FAMILIES));

	for (size_t i = 0; i < json_array_size(families); i++) {
		const json_t *family = json_array_get(families, i);

		if (names_path(ps_results_text(family, PS_AT(FAMILY_KEY)), path))
			return family;
	}
	return NULL;
}

double ps_results_dense_fvu(const json_t *condition)
{
	return ps_results_number(condition, PS_AT(CONDITION_FVU)) -
	       ps_results_number(condition,
				 PS_AT(CONDITION_FVU_CHANGE_INTERVAL, INTERVAL_ESTIMATE));
}

const json_t *ps_results_reference_diagnostic(const ps_results *results, const json_t *diagnostic)
{
	static const struct {
		ps_results_key key;
		const char *text; /* how the finding's text starts */
	} known[] = {
		{PS_KEY_CONDITION_JACCARD, "Spearman of fixed-dictionary Jaccard"},
		{PS_KEY_CONDITION_MNN_SURVIVAL, "Spearman of MNN survival"},
		{PS_KEY_CONDITION_FVU, "Spearman of fixed-dictionary FVU"},
		{PS_KEY_CONDITION_FRAGILITY, "Spearman of S(Q1) - S(Q5)"},
	};
	const json_t *findings = ps_results_at(results->root, PS_AT(ROOT_REFERENCE_FINDINGS));
	const char *key = ps_results_text(diagnostic, PS_AT(DIAGNOSTIC_KEY)), *start = NULL;

	for (size_t d = 0; d < sizeof known / sizeof *known; d++)
		if (!strcmp(ps_results_field_of(known[d].key)->name, key))
			start = known[d].text;
	for (size_t i = 0; start && i < json_array_size(findings); i++) {
		const json_t *finding = json_array_get(findings, i);

		if (!strncmp(ps_results_text(finding, PS_AT(FINDING_TEXT)), start, strlen(start)))
			return finding;
	}
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
	if (results->method_count == PS_RESULTS_METHODS_MAX)
		return ps_fail(diag, PS_EINPUT, "results of more than %d methods",
			       PS_RESULTS_METHODS_MAX);
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
	if (results->sparsity_count == PS_RESULTS_SPARSITIES_MAX)
		return ps_fail(diag, PS_EINPUT, "results of more than %d sparsities",
			       PS_RESULTS_SPARSITIES_MAX);
	memmove(results->sparsities + at + 1, results->sparsities + at,
		(results->sparsity_count - at) * sizeof *results->sparsities);
	results->sparsities[at] = sparsity;
	results->sparsity_count++;
	return 0;
}

static bool has_model(const ps_results *results, const char *name)
{
	for (size_t i = 0; i < results->model_count; i++)
		if (!strcmp(ps_results_model_name(results, i), name))
			return true;
	return false;
}

static int check_condition(ps_results *results, size_t index, ps_diag *diag)
{
	const json_t *c = ps_results_condition(results, index);
	const char *method = ps_results_text(c, PS_AT(CONDITION_METHOD)),
		   *model = ps_results_text(c, PS_AT(CONDITION_MODEL));
	double sparsity = ps_results_number(c, PS_AT(CONDITION_SPARSITY));
	int rc;

	if (!*method || !(sparsity >= 0 && sparsity <= 1))
		return ps_fail(diag, PS_EINPUT,
			       "conditions[%zu] lacks a method, or a sparsity from 0 to 1", index);
	if (!has_model(results, model))
		return ps_fail(diag, PS_EINPUT,
			       "conditions[%zu] is of the model \"%s\", which models does not list",
			       index, model);
	rc = note_method(results, method, diag);
	return rc ? rc : note_sparsity(results, sparsity, diag);
}

int ps_results_open(ps_results *results, const json_t *root, ps_diag *diag)
{
	int rc = 0;

	*results = (ps_results){.root = root,
				.models = ps_results_at(root, PS_AT(ROOT_MODELS)),
				.conditions = ps_results_at(root, PS_AT(ROOT_CONDITIONS)),
				.controls = ps_results_at(root, PS_AT(ROOT_CONTROLS))};
	if (!json_is_array(results->models) || !json_is_array(results->conditions))
		return ps_fail(diag, PS_EINPUT,
			       "no results of a study: the lists \"models\" and \"conditions\" are "
			       "not both there");
	if (json_integer_value(ps_results_at(root, PS_AT(ROOT_VERSION))) != PS_RESULTS_VERSION)
		return ps_fail(diag, PS_EINPUT, "results of another version than %d",
			       PS_RESULTS_VERSION);
	results->model_count = json_array_size(results->models);
	results->condition_count = json_array_size(results->conditions);
	results->control_count = json_array_size(results->controls);
	for (size_t i = 0; i < results->model_count; i++)
		if (!*ps_results_model_name(results, i))
			return ps_fail(diag, PS_EINPUT, "models[%zu] has no name", i);
	for (size_t i = 0; i < results->condition_count && !rc; i++)
		rc = check_condition(results, i, diag);
	return rc;
}
