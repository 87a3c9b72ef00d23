/* analysis/report/report_data.h: a study's results.json, checked once and then read by path.
 *
 * Paths are keys and positions joined by dots: "fragility.difference_clusters.low", "survival.2". What is null,
 * absent or of another type was not measured: NaN for a number, "" for a text. Everything is borrowed from root. */
#ifndef PS_ANALYSIS_REPORT_REPORT_DATA_H
#define PS_ANALYSIS_REPORT_REPORT_DATA_H

#include <jansson.h>
#include <stdbool.h>

#include "analysis/statistics.h"
#include "core/base/error.h"

#define PS_RESULTS_VERSION 1
#define PS_RESULTS_METHODS 8
#define PS_RESULTS_SPARSITIES 32
#define PS_RESULTS_TAU_MAIN 2 /* position of tau = .7 in "survival" and "taus" */
#define PS_RESULTS_TAUS 5

typedef struct ps_results {
	const json_t *root, *models, *conditions;
	size_t model_count, condition_count;
	/* As they occur in the conditions: methods in order of appearance, sparsities ascending. */
	const char *methods[PS_RESULTS_METHODS];
	double sparsities[PS_RESULTS_SPARSITIES];
	size_t method_count, sparsity_count;
	bool reference_text; /* the perplexity text is the reference's: perplexities may stand side by side */
} ps_results;

/* PS_EINPUT: not a results file of this version, or a condition without a known model, a method or a sparsity. */
int ps_results_open(ps_results *results, const json_t *root, ps_diag *diag) PS_MUST_USE;

const json_t *ps_results_at(const json_t *object, const char *path);
double ps_results_number(const json_t *object, const char *path);
const char *ps_results_text(const json_t *object, const char *path);
ps_interval ps_results_interval(const json_t *object, const char *path);

const json_t *ps_results_model(const ps_results *results, size_t index);
const json_t *ps_results_condition(const ps_results *results, size_t index);
/* The condition of that model, method and sparsity, or NULL. */
const json_t *ps_results_find(const ps_results *results, const char *model, const char *method,
			      double sparsity);
/* The model a condition is of (ps_results_open has seen that it is there). */
const json_t *ps_results_model_of(const ps_results *results, const json_t *condition);

/* Mean of a number over the objects of an array, those without it left out; NaN for none. */
double ps_results_mean(const json_t *array, const char *path);
/* Least and largest over an array; false when no element has the number. */
bool ps_results_range(const json_t *array, const char *path, double *least, double *largest);

/* Survival in SAEs that started from another seed, at tau = .7. */
double ps_results_other_seed(const json_t *condition);
/* Change of log perplexity by the reference, where it may stand beside the study's; else NaN. */
double ps_results_reference_change(const ps_results *results, const json_t *condition);
/* FVU of the dense SAE on the dense model's rows: the condition's less its change. */
double ps_results_dense_fvu(const json_t *condition);

/* The reference's finding {value, low, high} on a diagnostic of results.json's "diagnostics", by its key, or NULL. */
const json_t *ps_results_reference_diagnostic(const ps_results *results, const char *key);

/* A method's name as a word of a sentence or label: "Wanda", "magnitude". */
const char *ps_method_label(const char *method);

#endif
