/* analysis/report/report_data.h: reads a study's results.json.
 *
 * ps_results_open checks the file once. The other functions then read values by path
 * (results_schema.h). A value that is null, absent or of another type was not measured: a number is
 * then NaN, a text "". Every pointer is borrowed from the JSON tree, which the caller owns. */
#ifndef PS_ANALYSIS_REPORT_REPORT_DATA_H
#define PS_ANALYSIS_REPORT_REPORT_DATA_H

#include <stdbool.h>

#include "analysis/report/results_schema.h"
#include "analysis/statistics.h"

enum { PS_RESULTS_METHODS_MAX = 8, PS_RESULTS_SPARSITIES_MAX = 32 };

typedef struct ps_results {
	const json_t *root, *models, *conditions, *controls;
	size_t model_count, condition_count, control_count;
	/* Those that occur in the conditions: methods in order of appearance, sparsities
	 * ascending. */
	const char *methods[PS_RESULTS_METHODS_MAX];
	double sparsities[PS_RESULTS_SPARSITIES_MAX];
	size_t method_count, sparsity_count;
} ps_results;

/* Checks root and fills results. root must outlive results. PS_EINPUT:
 * - the file is not a results.json, or one of another version;
 * - a model has no name;
 * - a condition lacks a method, lacks a sparsity from 0 to 1, or is of a model that is not listed;
 * - there are more methods or sparsities than the constants above allow. */
int ps_results_open(ps_results *results, const json_t *root, ps_diag *diag) PS_MUST_USE;

/* The value at a path below an object, or NULL. The object may be NULL. */
const json_t *ps_results_at(const json_t *object, ps_results_path path);
/* The number at a path, or NaN. */
double ps_results_number(const json_t *object, ps_results_path path);
/* The text at a path, or "". */
const char *ps_results_text(const json_t *object, ps_results_path path);
/* The interval object at a path of at most two keys: estimate, low, high, p, n, why. What it lacks
 * is NaN or 0. */
ps_interval ps_results_interval(const json_t *object, ps_results_path path);
/* The value, low and high of an entry of reference_findings, as an interval. */
ps_interval ps_results_finding(const json_t *finding);

/* The index-th entry of models or conditions; NULL beyond the last. */
const json_t *ps_results_model(const ps_results *results, size_t index);
const json_t *ps_results_condition(const ps_results *results, size_t index);
/* The index-th control, NULL beyond the last. A control has the keys of a condition, so the paths
 * of conditions reach into it. */
const json_t *ps_results_control(const ps_results *results, size_t index);
/* The retrain of a model: its dense SAEs trained again, nothing pruned. NULL: there is none. */
const json_t *ps_results_retrain(const ps_results *results, const char *model);
/* A control as a word of a sentence or label: "unpruned retrain", "frozen decoder". */
const char *ps_control_label(const json_t *control);
/* The name of the index-th model. */
const char *ps_results_model_name(const ps_results *results, size_t index);
/* The condition of that model, method and sparsity, or NULL. */
const json_t *ps_results_find(const ps_results *results, const char *model, const char *method,
			      double sparsity);

/* Mean of a number over the objects of a list that have it; NaN if none has. */
double ps_results_mean(const json_t *list, ps_results_path path);
/* Least and largest of a number over the objects of a list; false if no object has the number. */
bool ps_results_range(const json_t *list, ps_results_path path, double *least, double *largest);

/* The entry of families on the interval at that path of conditions[] or comparisons[], or NULL. */
const json_t *ps_results_family(const ps_results *results, ps_results_path path);

/* FVU of the dense SAE on the dense model's rows: a condition's FVU less its change. */
double ps_results_dense_fvu(const json_t *condition);

/* The entry of reference_findings on a diagnostic, or NULL. */
const json_t *ps_results_reference_diagnostic(const ps_results *results, const json_t *diagnostic);

/* A method's name as a word of a sentence or label: "Wanda", "magnitude". */
const char *ps_method_label(const char *method);

#endif
