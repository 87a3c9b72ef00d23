#include "tools/study/results_over.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/auc.h"
#include "analysis/seeds.h"
#include "tools/cmd/result.h"

/* The lists of results.json, and room for a number of each condition. */
struct over {
	ps_making *m;
	const json_t *models, *conditions, *comparisons;
	size_t model_count, condition_count;
	double *x, *y, *held;     /* (conditions) */
	uint32_t *model;          /* (conditions): place of the condition's model */
	double *within, *without; /* (models) */
	ps_arena arena;
};

static size_t lay_out(struct over *o, ps_arena *arena)
{
	const size_t conditions = o->condition_count, models = o->model_count;
	ps_layout layout = {.arena = arena};

	o->x = ps_layout_part(&layout, conditions, sizeof *o->x);
	o->y = ps_layout_part(&layout, conditions, sizeof *o->y);
	o->held = ps_layout_part(&layout, conditions, sizeof *o->held);
	o->model = ps_layout_part(&layout, conditions, sizeof *o->model);
	o->within = ps_layout_part(&layout, models, sizeof *o->within);
	o->without = ps_layout_part(&layout, models, sizeof *o->without);
	return layout.bytes;
}

static int take_memory(struct over *o)
{
	const ps_bootstrap *bootstrap = &o->m->in->bootstrap;
	const int threads = ps_pool_threads(o->m->context->pool);
	const size_t most = o->condition_count + o->model_count;
	int rc = ps_arena_create(
		&o->arena,
		lay_out(o, NULL) + ps_spearman_interval_bytes(bootstrap, most, threads) +
			ps_spearman_groups_bytes(o->condition_count, o->model_count) +
			ps_survival_agreement_bytes(o->condition_count) +
			o->condition_count * sizeof(double[PS_TAUS]) + PS_ALIGN,
		o->m->context->diag);

	if (!rc)
		lay_out(o, &o->arena);
	return rc;
}

static const char *model_of(const json_t *item, ps_results_path model)
{
	return ps_results_text(item, model);
}

/* Which model a condition or a comparison belongs to. */
static uint32_t place_of(const struct over *o, const char *name)
{
	uint32_t i = 0;

	while (i < o->model_count &&
	       strcmp(ps_results_text(json_array_get(o->models, i), PS_AT(MODEL_NAME)), name))
		i++;
	return i;
}

/* --- diagnostics --- */

/* A measure, and where a condition has its number. */
struct diagnostic {
	const char *name;
	ps_results_key key;
	ps_results_path number;
};

static const struct diagnostic diagnostics[] = {
	{"fixed-dictionary Jaccard", PS_KEY_CONDITION_JACCARD, PS_AT(CONDITION_JACCARD)},
	{"MNN survival", PS_KEY_CONDITION_MNN_SURVIVAL, PS_AT(CONDITION_MNN_SURVIVAL)},
	{"fixed-dictionary FVU", PS_KEY_CONDITION_FVU, PS_AT(CONDITION_FVU)},
	{"fragility S(Q1) - S(Q5)", PS_KEY_CONDITION_FRAGILITY,
	 PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE_LATENTS, INTERVAL_ESTIMATE)},
};

/* What anyone knows without an SAE. */
static const struct diagnostic rivals[] = {
	{"sparsity asked for", PS_KEY_CONDITION_SPARSITY, PS_AT(CONDITION_SPARSITY)},
	{"sparsity achieved", PS_KEY_CONDITION_SPARSITY_ACHIEVED,
	 PS_AT(CONDITION_SPARSITY_ACHIEVED)},
};

/* Takes the conditions that have all three numbers. Returns how many. */
static size_t take_conditions(struct over *o, const struct diagnostic *d)
{
	size_t n = 0;

	for (size_t i = 0; i < o->condition_count; i++) {
		const json_t *c = json_array_get(o->conditions, i);

		o->x[n] = ps_results_number(c, d->number);
		o->y[n] = ps_results_number(c, PS_AT(CONDITION_DELTA_LOG_PPL));
		o->held[n] = ps_results_number(c, PS_AT(CONDITION_SPARSITY_ACHIEVED));
		o->model[n] = place_of(o, model_of(c, PS_AT(CONDITION_MODEL)));
		n += isfinite(o->x[n]) && isfinite(o->y[n]) && isfinite(o->held[n]);
	}
	return n;
}

static int correlate(struct over *o, const ps_paired *data, ps_interval *interval)
{
	*interval = ps_no_interval();
	interval->unit = PS_UNIT_MODELS;
	for (size_t i = 0; i < o->model_count; i++)
		o->within[i] = o->without[i] = (double)NAN;
	if (data->count < 3)
		return 0;
	ps_spearman_groups(data, &o->arena, o->within, o->without);
	return ps_spearman_interval(&o->m->in->bootstrap, data, o->m->context, &o->arena, interval);
}

static int diagnostic_json(struct over *o, const struct diagnostic *d, json_t *list)
{
	ps_making *m = o->m;
	ps_paired data = {.x = o->x,
			  .y = o->y,
			  .group = o->model,
			  .axis = {.count = o->model_count, .unit = PS_UNIT_MODELS}};
	ps_interval plain, partial;
	json_t *object = json_object();
	int rc;

	data.count = take_conditions(o, d);
	rc = correlate(o, &data, &plain);
	ps_put(m, object, PS_KEY_DIAGNOSTIC_NAME, json_string(d->name));
	ps_put(m, object, PS_KEY_DIAGNOSTIC_KEY, json_string(ps_results_field_of(d->key)->name));
	ps_put(m, object, PS_KEY_DIAGNOSTIC_SPEARMAN, ps_results_interval_json(m, &plain));
	ps_put(m, object, PS_KEY_DIAGNOSTIC_BY_MODEL,
	       ps_results_numbers_json(m, o->within, o->model_count));
	ps_put(m, object, PS_KEY_DIAGNOSTIC_WITHOUT_MODEL,
	       ps_results_numbers_json(m, o->without, o->model_count));
	data.held[0] = o->held;
	if (!rc)
		rc = correlate(o, &data, &partial);
	if (!rc)
		ps_put(m, object, PS_KEY_DIAGNOSTIC_PARTIAL, ps_results_interval_json(m, &partial));
	ps_put(m, object, PS_KEY_DIAGNOSTIC_PARTIAL_WITHOUT_MODEL,
	       ps_results_numbers_json(m, o->without, o->model_count));
	ps_put(m, object, PS_KEY_DIAGNOSTIC_N, ps_size_json(data.count));
	ps_append(m, list, object);
	return rc;
}

static int diagnostics_json(struct over *o, const struct diagnostic *list, size_t count,
			    ps_results_key key, json_t *root)
{
	json_t *array = json_array();
	int rc = 0;

	ps_put(o->m, root, key, array);
	for (size_t i = 0; i < count && !rc && !o->m->full; i++)
		rc = diagnostic_json(o, &list[i], array);
	return rc;
}

/* --- families of tests --- */

/* An interval whose null value is 0, over all conditions or all comparisons. */
struct family {
	const char *name, *key;
	bool of_comparisons;
	ps_results_path interval;
};

static const struct family families[] = {
	{"change of log perplexity", "delta_log_ppl_interval", false,
	 PS_AT(CONDITION_DELTA_LOG_PPL_INTERVAL)},
	{"Wanda less magnitude", "wanda_minus_magnitude", true,
	 PS_AT(COMPARISON_WANDA_MINUS_MAGNITUDE)},
	{"RQ3: change of the frozen SAE's FVU", "fvu_change_interval", false,
	 PS_AT(CONDITION_FVU_CHANGE_INTERVAL)},
	{"RQ4: S(Q1) - S(Q5)", "fragility.difference", false,
	 PS_AT(CONDITION_FRAGILITY, FRAGILITY_DIFFERENCE)},
	{"RQ4: S(Q1) - S(Q5) less the control's", "fragility.less_control", false,
	 PS_AT(CONDITION_FRAGILITY, FRAGILITY_LESS_CONTROL)},
	{"RQ5: effect of survivors less lost", "ablation.difference", false,
	 PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE)},
	{"RQ5: the same within strata of firing", "ablation.difference_stratified", false,
	 PS_AT(CONDITION_ABLATION, ABLATION_DIFFERENCE_STRATIFIED)},
	{"RQ5: the same per firing", "ablation.firing_difference", false,
	 PS_AT(CONDITION_ABLATION, ABLATION_FIRING_DIFFERENCE)},
};

enum { FAMILIES = sizeof families / sizeof *families };

/* The p and the estimates of all families, one after the other. */
struct tests {
	double *p, *adjusted, *estimate; /* (tests) */
	size_t count;
};

static const json_t *items_of(const struct over *o, const struct family *f)
{
	return f->of_comparisons ? o->comparisons : o->conditions;
}

/* An interval object at the path; NULL or JSON null where there is none. */
static double number_in(const json_t *item, const struct family *f, ps_results_path number)
{
	return ps_results_number(ps_results_at(item, f->interval), number);
}

static int gather_tests(const struct over *o, struct tests *t)
{
	size_t most = 1;

	for (size_t f = 0; f < FAMILIES; f++)
		most += json_array_size(items_of(o, &families[f]));
	t->p = malloc(3 * most * sizeof *t->p);
	if (!t->p)
		return ps_fail(o->m->context->diag, PS_EBUDGET, "no memory for %zu tests", most);
	t->adjusted = t->p + most;
	t->estimate = t->adjusted + most;
	t->count = 0;
	for (size_t f = 0; f < FAMILIES; f++)
		for (size_t i = 0; i < json_array_size(items_of(o, &families[f])); i++) {
			const json_t *item = json_array_get(items_of(o, &families[f]), i);

			t->p[t->count] = number_in(item, &families[f], PS_AT(INTERVAL_P));
			t->estimate[t->count++] =
				number_in(item, &families[f], PS_AT(INTERVAL_ESTIMATE));
		}
	ps_holm(t->p, t->count, t->adjusted);
	return 0;
}

/* Mean of the estimates of each model's items; NaN where it has none. */
static void find_model_means(struct over *o, const struct family *f, const double *estimate)
{
	const ps_results_path model =
		f->of_comparisons ? PS_AT(COMPARISON_MODEL) : PS_AT(CONDITION_MODEL);

	for (size_t g = 0; g < o->model_count; g++) {
		double sum = 0, count = 0;

		for (size_t i = 0; i < json_array_size(items_of(o, f)); i++) {
			const json_t *item = json_array_get(items_of(o, f), i);

			if (place_of(o, model_of(item, model)) != g || isnan(estimate[i]))
				continue;
			sum += estimate[i];
			count++;
		}
		o->within[g] = count > 0 ? sum / count : (double)NAN;
	}
}

/* The mean over the models that have one, and its interval. */
static int over_models(struct over *o, ps_interval *out)
{
	size_t n = 0;

	for (size_t g = 0; g < o->model_count; g++)
		if (!isnan(o->within[g]))
			o->without[n++] = o->within[g];
	return ps_bootstrap_ratio(&o->m->in->bootstrap, (ps_ratio){.numerator = o->without},
				  (ps_axis){.count = n, .unit = PS_UNIT_MODELS}, o->m->context,
				  &o->arena, out);
}

/* Of `count` tests: how many are below 0.05, and on which side of 0. */
static void put_counts(ps_making *m, json_t *object, const double *p, const double *estimate,
		       size_t count, const ps_results_key keys[2])
{
	size_t above = 0, below = 0;

	for (size_t i = 0; i < count; i++)
		if (p[i] < 0.05) {
			above += estimate[i] > 0;
			below += estimate[i] < 0;
		}
	ps_put(m, object, keys[0], ps_size_json(above));
	ps_put(m, object, keys[1], ps_size_json(below));
}

static int family_json(struct over *o, const struct family *f, const struct tests *t, size_t first,
		       json_t *list)
{
	static const ps_results_key raw[2] = {PS_KEY_FAMILY_ABOVE, PS_KEY_FAMILY_BELOW},
				    adjusted[2] = {PS_KEY_FAMILY_ADJUSTED_ABOVE,
						   PS_KEY_FAMILY_ADJUSTED_BELOW};
	const size_t count = json_array_size(items_of(o, f));
	ps_making *m = o->m;
	json_t *object = json_object();
	ps_interval mean;
	size_t tests = 0;
	int rc;

	for (size_t i = 0; i < count; i++)
		tests += !isnan(t->p[first + i]);
	find_model_means(o, f, t->estimate + first);
	ps_put(m, object, PS_KEY_FAMILY_NAME, json_string(f->name));
	ps_put(m, object, PS_KEY_FAMILY_KEY, json_string(f->key));
	ps_put(m, object, PS_KEY_FAMILY_TESTS, ps_size_json(tests));
	put_counts(m, object, t->p + first, t->estimate + first, count, raw);
	put_counts(m, object, t->adjusted + first, t->estimate + first, count, adjusted);
	ps_put(m, object, PS_KEY_FAMILY_P_ADJUSTED,
	       ps_results_numbers_json(m, t->adjusted + first, count));
	ps_put(m, object, PS_KEY_FAMILY_MODEL_MEANS,
	       ps_results_numbers_json(m, o->within, o->model_count));
	rc = over_models(o, &mean);
	if (!rc)
		ps_put(m, object, PS_KEY_FAMILY_OVER_MODELS, ps_results_interval_json(m, &mean));
	ps_append(m, list, object);
	return rc;
}

static int families_json(struct over *o, json_t *root)
{
	json_t *list = json_array();
	struct tests tests = {0};
	size_t first = 0;
	int rc = gather_tests(o, &tests);

	ps_put(o->m, root, PS_KEY_ROOT_FAMILIES, list);
	for (size_t f = 0; f < FAMILIES && !rc && !o->m->full; f++) {
		rc = family_json(o, &families[f], &tests, first, list);
		first += json_array_size(items_of(o, &families[f]));
	}
	free(tests.p);
	return rc;
}

/* --- predictors of survival --- */

/* A condition's AUC of a predictor; NaN where it has none. */
static double auc_of(const json_t *condition, const char *name)
{
	const json_t *list = ps_results_at(condition, PS_AT(CONDITION_PREDICTORS)), *entry;
	size_t i;

	json_array_foreach (list, i, entry)
		if (!strcmp(ps_results_text(entry, PS_AT(CONDITION_PREDICTOR_NAME)), name))
			return ps_results_number(entry,
						 PS_AT(CONDITION_PREDICTOR_AUC, INTERVAL_ESTIMATE));
	return (double)NAN;
}

static void predictor_json(struct over *o, const char *name, json_t *list)
{
	json_t *object = json_object();

	for (size_t g = 0; g < o->model_count; g++) {
		double sum = 0, count = 0;

		for (size_t i = 0; i < o->condition_count; i++) {
			const json_t *c = json_array_get(o->conditions, i);
			const double auc = auc_of(c, name);

			if (place_of(o, model_of(c, PS_AT(CONDITION_MODEL))) != g || isnan(auc))
				continue;
			sum += auc;
			count++;
		}
		o->within[g] = count > 0 ? sum / count : (double)NAN;
	}
	ps_auc_held_out(o->within, o->model_count, o->without);
	ps_put(o->m, object, PS_KEY_PREDICTOR_NAME, json_string(name));
	ps_put(o->m, object, PS_KEY_PREDICTOR_BY_MODEL,
	       ps_results_numbers_json(o->m, o->within, o->model_count));
	ps_put(o->m, object, PS_KEY_PREDICTOR_HELD_OUT,
	       ps_results_numbers_json(o->m, o->without, o->model_count));
	ps_append(o->m, list, object);
}

/* The predictors that the first condition names; all conditions have the same ones, but for those
 * of a model whose latents were not ablated. */
static void predictors_json(struct over *o, json_t *root)
{
	const json_t *most = NULL, *entry;
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < o->condition_count; i++) {
		const json_t *own = ps_results_at(json_array_get(o->conditions, i),
						  PS_AT(CONDITION_PREDICTORS));

		if (json_array_size(own) > json_array_size(most))
			most = own;
	}
	json_array_foreach (most, i, entry)
		predictor_json(o, ps_results_text(entry, PS_AT(CONDITION_PREDICTOR_NAME)), list);
	ps_put(o->m, root, PS_KEY_ROOT_PREDICTORS, list);
}

/* --- Kendall's W --- */

/* How alike the thresholds 0.6, 0.7 and 0.8 rank the conditions. */
static double kendall_w(struct over *o)
{
	const size_t count = o->condition_count, mark = ps_arena_mark(&o->arena);
	double(*survival)[PS_TAUS] = ps_arena_take(&o->arena, count * sizeof *survival);
	bool defined = count >= 2;
	double w = (double)NAN;

	for (size_t i = 0; i < count; i++)
		for (int t = 0; t < PS_TAUS; t++) {
			survival[i][t] = ps_results_number(json_array_get(o->conditions, i),
							   PS_AT_ITEM(t, CONDITION_SURVIVAL));
			defined &= isfinite(survival[i][t]) != 0;
		}
	if (defined)
		w = ps_survival_agreement((const double(*)[PS_TAUS])survival, count, &o->arena);
	ps_arena_rewind(&o->arena, mark);
	return w;
}

int ps_results_over(ps_making *making, const json_t *models, const json_t *conditions,
		    const json_t *comparisons, json_t *root)
{
	struct over o = {.m = making,
			 .models = models,
			 .conditions = conditions,
			 .comparisons = comparisons,
			 .model_count = json_array_size(models),
			 .condition_count = json_array_size(conditions)};
	int rc = take_memory(&o);

	if (!rc)
		rc = diagnostics_json(&o, diagnostics, sizeof diagnostics / sizeof *diagnostics,
				      PS_KEY_ROOT_DIAGNOSTICS, root);
	if (!rc)
		rc = diagnostics_json(&o, rivals, sizeof rivals / sizeof *rivals,
				      PS_KEY_ROOT_DIAGNOSTIC_RIVALS, root);
	if (!rc)
		rc = families_json(&o, root);
	if (!rc) {
		predictors_json(&o, root);
		ps_put(making, root, PS_KEY_ROOT_KENDALL_W, ps_number_json(kendall_w(&o)));
	}
	ps_arena_destroy(&o.arena);
	return rc;
}
