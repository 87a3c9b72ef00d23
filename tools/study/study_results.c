/* results.json: the records of all steps, brought together under the names of the contract. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/reference.h"
#include "analysis/seeds.h"
#include "io/safetensors.h"
#include "tools/study/study.h"

#define RESULTS_VERSION 1

static json_t *get(const json_t *record, const char *key)
{
	json_t *value = json_object_get(record, key);

	return value ? json_incref(value) : json_null();
}

static json_t *get_in(const json_t *record, const char *key, const char *inner)
{
	return get(json_object_get(record, key), inner);
}

static json_t *texts_json(char *const *texts, unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

static json_t *settings_json(const ps_study_file *f)
{
	json_t *seeds = json_array(), *sparsities = json_array();

	for (unsigned i = 0; i < f->seeds_count; i++)
		json_array_append_new(seeds, json_integer(f->seeds[i]));
	for (unsigned i = 0; i < f->sparsities_count; i++)
		json_array_append_new(sparsities, json_real(f->sparsities[i]));
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:o, s:I, s:o, s:o, s:s, s:s, s:I, s:{s:s, s:s, s:I, s:I, "
		"s:I, s:I}, s:{s:I, s:I, s:I}, s:{s:s, s:b}, s:{s:s, s:s}, s:I, s:I, s:I}",
		"window", (json_int_t)f->window, "calibration_tokens",
		(json_int_t)f->calibration_tokens, "train_tokens", (json_int_t)f->train_tokens,
		"cache_tokens", (json_int_t)f->cache_tokens, "seeds", seeds, "pruned_seeds",
		(json_int_t)f->pruned_seeds, "methods", texts_json(f->methods, f->methods_count),
		"sparsities", sparsities, "bos", f->bos, "documents", f->documents, "min_chars",
		(json_int_t)f->min_chars, "sae", "arch", f->sae.arch, "init", f->sae.init,
		"expansion", (json_int_t)f->sae.expansion, "d_sae", (json_int_t)f->sae.d_sae, "k",
		(json_int_t)f->sae.k, "batch", (json_int_t)f->sae.batch, "ppl", "window",
		(json_int_t)f->ppl.window, "stride", (json_int_t)f->ppl.stride, "max_tokens",
		(json_int_t)f->ppl.max_tokens, "magnitude", "scope",
		f->magnitude.scope ? f->magnitude.scope : "matrix", "pool_embedding",
		f->magnitude.pool_embedding, "wanda", "scope",
		f->wanda.scope ? f->wanda.scope : "row", "calibration",
		f->wanda.calibration ? f->wanda.calibration : "sequential", "splice_windows",
		(json_int_t)f->splice.windows, "ablation_windows", (json_int_t)f->ablation.windows,
		"bootstrap_samples", (json_int_t)f->bootstrap.samples);
}

static json_t *saes_json(const ps_study *study, const ps_study_condition *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->seeds; i++) {
		const json_t *r = c->train[i].result;

		json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:o}", "seed",
						      (json_int_t)study->f->seeds[i], "fvu",
						      get(r, "fvu"), "l0", get(r, "l0"),
						      "dead_fraction", get(r, "dead_fraction")));
	}
	return list;
}

static json_t *or_null(json_t *value)
{
	return value ? json_incref(value) : json_null();
}

static json_t *ablation_json(const json_t *record)
{
	const json_t *effects = json_object_get(record, "effect");
	size_t n = json_array_size(effects);
	double sum = 0;

	if (!n)
		return json_null();
	for (size_t i = 0; i < n; i++)
		sum += json_number_value(json_array_get(effects, i));
	return json_pack("{s:I, s:f}", "features", (json_int_t)n, "mean_effect", sum / (double)n);
}

static json_t *model_json(const ps_study *study, const ps_study_run *run)
{
	const json_t *ppl = run->conditions[0].ppl.result;
	const ps_reference_model *reference = ps_reference_model_of(&run->config);

	return json_pack(
		"{s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		"name", run->spec->name, "family", ps_family_name(run->config.family), "layers",
		(json_int_t)run->config.layers, "width", (json_int_t)run->config.width, "layer",
		(json_int_t)run->spec->layer, "digest", run->model_digest, "weight_bytes",
		(json_int_t)run->weight_bytes, "ppl", get(ppl, "ppl"), "nll", get(ppl, "nll"),
		"ppl_tokens", get(ppl, "tokens"), "saes", saes_json(study, &run->conditions[0]),
		"splice", or_null(run->conditions[0].splice.result), "seeds",
		or_null(run->seeds.result), "ablation", ablation_json(run->ablation.result),
		"reference",
		reference ? json_pack("{s:s, s:o}", "name", reference->name, "ppl",
				      ps_number_json(reference->ppl))
			  : json_null());
}

/* Window sums and counts of a perplexity record as arrays (malloc'ed). */
static double *column(const json_t *record, const char *key, size_t *count)
{
	const json_t *list = json_object_get(record, key);
	double *values;

	*count = json_array_size(list);
	values = malloc((*count + 1) * sizeof *values);
	for (size_t i = 0; values && i < *count; i++)
		values[i] = json_number_value(json_array_get(list, i));
	return values;
}

/* nll of record a minus nll of record b, per scored id, windows resampled together. */
static int nll_difference(ps_study *study, const json_t *a, const json_t *b, json_t **out)
{
	ps_bootstrap bootstrap = ps_study_bootstrap(study);
	size_t n, m;
	double *sum_a = column(a, "window_nll", &n), *tokens = column(a, "window_tokens", &n),
	       *sum_b = column(b, "window_nll", &m);
	ps_interval interval;
	ps_arena arena = {0};
	int rc = sum_a && tokens && sum_b
			 ? 0
			 : ps_fail(&study->s->diag, PS_EBUDGET, "no memory for %zu windows", n);

	if (!rc && n != m)
		rc = ps_fail(&study->s->diag, PS_EFAILED,
			     "perplexities over different windows cannot be paired");
	if (!rc)
		rc = ps_arena_create(&arena, ps_bootstrap_bytes(&bootstrap, n, study->s->threads),
				     &study->s->diag);
	if (!rc)
		rc = ps_bootstrap_ratio_change(&bootstrap, sum_a, tokens, sum_b, tokens, n,
					       &study->s->context, &arena, &interval);
	if (!rc)
		*out = ps_interval_json(&interval);
	ps_arena_destroy(&arena);
	free(sum_a);
	free(sum_b);
	free(tokens);
	return rc;
}

/* Mean achieved sparsity of each kind of projection, from the mask's record in the file. */
static json_t *achieved_json(const ps_study *study, const ps_study_condition *c)
{
	static const char *const kinds[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
					    "gate_proj", "up_proj", "down_proj"};
	char path[PS_STUDY_PATH + 64];
	ps_safetensors file;
	ps_diag ignored = {{0}};
	json_t *result = json_object(), *entry;
	const char *name;

	(void)study;
	if (ps_safetensors_open(&file, &ps_sys_linux, ps_study_path(c, "mask.safetensors", path),
				&ignored))
		return result;
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		double dropped = 0, all = 0;

		json_object_foreach (json_object_get(file.metadata, "tensors"), name, entry) {
			if (!strstr(name, kinds[k]))
				continue;
			dropped += json_number_value(json_object_get(entry, "dropped"));
			all += json_number_value(json_object_get(entry, "rows")) *
			       json_number_value(json_object_get(entry, "cols"));
		}
		json_object_set_new(result, kinds[k], ps_number_json(dropped / all));
	}
	ps_safetensors_close(&file);
	return result;
}

static json_t *reference_json(const ps_study_run *run, const ps_study_condition *c)
{
	const ps_reference_model *model = ps_reference_model_of(&run->config);
	const ps_reference_condition *r =
		model ? ps_reference_find(model, c->method, c->sparsity) : NULL;

	return r ? json_pack("{s:o, s:o, s:o, s:o}", "mnn_survival", ps_number_json(r->survival),
			     "mnn_survival_sd", ps_number_json(r->survival_sd), "jaccard",
			     ps_number_json(r->jaccard), "ppl", ps_number_json(r->ppl))
		 : json_null();
}

static json_t *at_main_tau(const json_t *list)
{
	json_t *value = json_array_get(list, PS_TAU_MAIN);

	return value ? json_incref(value) : json_null();
}

static int condition_json(ps_study *study, const ps_study_run *run, const ps_study_condition *c,
			  json_t **out)
{
	const json_t *ppl = c->ppl.result, *dense = run->conditions[0].ppl.result,
		     *t = c->transfer.result;
	const json_t *survival = json_object_get(c->findings.result, "survival");
	double change = json_number_value(json_object_get(ppl, "nll")) -
			json_number_value(json_object_get(dense, "nll"));
	json_t *interval, *o;
	int rc = nll_difference(study, ppl, dense, &interval);

	if (rc)
		return rc;
	o = json_pack("{s:s, s:s, s:f, s:o, s:o, s:o, s:f, s:o, s:o}", "model", run->spec->name,
		      "method", c->method, "sparsity", c->sparsity, "sparsity_achieved",
		      get(c->mask.result, "sparsity_achieved"), "ppl", get(ppl, "ppl"), "nll",
		      get(ppl, "nll"), "delta_log_ppl", change, "delta_log_ppl_interval", interval,
		      "n", get(ppl, "tokens"));
	json_object_update_new(
		o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "mnn_survival",
			     at_main_tau(json_object_get(survival, "mean")), "mnn_survival_sd",
			     at_main_tau(json_object_get(survival, "sd")), "mnn_survival_alive",
			     get(survival, "alive"), "mnn_survival_independent",
			     at_main_tau(json_object_get(survival, "other_seed")), "survival",
			     get(survival, "mean"), "taus", get(survival, "taus")));
	json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "jaccard",
					    get_in(t, "jaccard", "estimate"), "jaccard_interval",
					    get(t, "jaccard"), "fvu", get_in(t, "fvu", "estimate"),
					    "fvu_interval", get(t, "fvu"), "fvu_change_interval",
					    get(t, "fvu_change"), "l0", get_in(t, "l0", "estimate"),
					    "cosine", get_in(t, "cosine", "estimate")));
	json_object_update_new(
		o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "saes", saes_json(study, c),
			     "splice", or_null(c->splice.result), "fragility",
			     get(c->findings.result, "fragility"), "ablation",
			     get(c->findings.result, "ablation"), "achieved",
			     achieved_json(study, c), "reference", reference_json(run, c)));
	*out = o;
	return 0;
}

static const ps_study_condition *find_condition(const ps_study_run *run, const char *method,
						double sparsity)
{
	for (size_t i = 1; i < run->condition_count; i++)
		if (!strcmp(run->conditions[i].method, method) &&
		    fabs(run->conditions[i].sparsity - sparsity) < 1e-9)
			return &run->conditions[i];
	return NULL;
}

static int comparisons_json(ps_study *study, json_t *list)
{
	int rc = 0;

	for (unsigned m = 0; m < study->f->models_count; m++)
		for (unsigned i = 0; i < study->f->sparsities_count && !rc; i++) {
			const ps_study_run *run = &study->runs[m];
			const ps_study_condition *wanda =
				find_condition(run, "wanda", study->f->sparsities[i]);
			const ps_study_condition *magnitude =
				find_condition(run, "magnitude", study->f->sparsities[i]);
			json_t *interval;

			if (!wanda || !magnitude)
				continue;
			rc = nll_difference(study, wanda->ppl.result, magnitude->ppl.result,
					    &interval);
			if (!rc)
				json_array_append_new(
					list, json_pack("{s:s, s:f, s:o}", "model", run->spec->name,
							"sparsity", study->f->sparsities[i],
							"wanda_minus_magnitude", interval));
		}
	return rc;
}

static double number_at(const json_t *condition, const char *key)
{
	const json_t *value = json_object_get(condition, key);

	if (!strcmp(key, "fragility"))
		value = json_object_get(json_object_get(value, "difference_latents"), "estimate");
	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* Spearman of one diagnostic with the change of log perplexity over the conditions that have both. */
static int diagnostic_json(ps_study *study, const json_t *conditions, const char *name,
			   const char *key, json_t *list)
{
	ps_bootstrap bootstrap = ps_study_bootstrap(study);
	size_t n = 0, count = json_array_size(conditions);
	double *x = malloc((count + 1) * sizeof *x), *y = malloc((count + 1) * sizeof *y);
	ps_interval interval = {NAN, NAN, NAN, 0};
	ps_arena arena = {0};
	int rc = x && y ? 0
			: ps_fail(&study->s->diag, PS_EBUDGET, "no memory for %zu conditions",
				  count);

	for (size_t i = 0; i < count && !rc; i++) {
		x[n] = number_at(json_array_get(conditions, i), key);
		y[n] = number_at(json_array_get(conditions, i), "delta_log_ppl");
		n += isfinite(x[n]) && isfinite(y[n]);
	}
	if (!rc && n >= 3) {
		rc = ps_arena_create(&arena,
				     ps_spearman_interval_bytes(&bootstrap, n, study->s->threads),
				     &study->s->diag);
		if (!rc)
			rc = ps_spearman_interval(&bootstrap, x, y, n, &study->s->context, &arena,
						  &interval);
		ps_arena_destroy(&arena);
	}
	if (!rc)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:I}", "name", name, "key",
						      key, "spearman", ps_interval_json(&interval),
						      "n", (json_int_t)n));
	free(x);
	free(y);
	return rc;
}

static int diagnostics_json(ps_study *study, const json_t *conditions, json_t *list)
{
	static const char *const diagnostic[][2] = {{"fixed-dictionary Jaccard", "jaccard"},
						    {"MNN survival", "mnn_survival"},
						    {"fixed-dictionary FVU", "fvu"},
						    {"fragility S(Q1) - S(Q5)", "fragility"}};
	int rc = 0;

	for (size_t i = 0; i < sizeof diagnostic / sizeof *diagnostic && !rc; i++)
		rc = diagnostic_json(study, conditions, diagnostic[i][0], diagnostic[i][1], list);
	return rc;
}

/* How alike tau = .6, .7, .8 rank the conditions. */
static int kendall_json(ps_study *study, const json_t *conditions, json_t **out)
{
	size_t count = json_array_size(conditions);
	double(*survival)[PS_TAUS] = calloc(count + 1, sizeof *survival), w = NAN;
	ps_arena arena = {0};
	int rc = survival ? 0
			  : ps_fail(&study->s->diag, PS_EBUDGET, "no memory for %zu conditions",
				    count);

	for (size_t i = 0; i < count && !rc; i++)
		for (int t = 0; t < PS_TAUS; t++)
			survival[i][t] = json_number_value(json_array_get(
				json_object_get(json_array_get(conditions, i), "survival"),
				(size_t)t));
	if (!rc && count >= 2) {
		rc = ps_arena_create(&arena, ps_survival_agreement_bytes(count), &study->s->diag);
		if (!rc)
			rc = ps_survival_agreement((const double(*)[PS_TAUS])survival, count,
						   &arena, &study->s->diag, &w);
		ps_arena_destroy(&arena);
	}
	free(survival);
	*out = ps_number_json(w);
	return rc;
}

static json_t *findings_json(void)
{
	size_t count;
	const ps_reference_finding *f = ps_reference_findings(&count);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:b}", "question", f[i].question,
					"text", f[i].text, "value", ps_number_json(f[i].value),
					"low", ps_number_json(f[i].low), "high",
					ps_number_json(f[i].high), "superseded", f[i].superseded));
	return list;
}

int ps_study_results(ps_study *study, json_t **results)
{
	json_t *models = json_array(), *conditions = json_array(), *comparisons = json_array(),
	       *diagnostics = json_array(), *kendall = NULL, *condition;
	int rc = 0;

	for (unsigned m = 0; m < study->f->models_count && !rc; m++) {
		const ps_study_run *run = &study->runs[m];

		json_array_append_new(models, model_json(study, run));
		for (size_t i = 1; i < run->condition_count && !rc; i++) {
			rc = condition_json(study, run, &run->conditions[i], &condition);
			if (!rc)
				json_array_append_new(conditions, condition);
		}
	}
	if (!rc)
		rc = comparisons_json(study, comparisons);
	if (!rc)
		rc = diagnostics_json(study, conditions, diagnostics);
	if (!rc)
		rc = kendall_json(study, conditions, &kendall);
	if (!rc)
		*results = json_pack("{s:i, s:s, s:o, s:O, s:O, s:O, s:O, s:O, s:b, s:o}",
				     "version", RESULTS_VERSION, "name", study->f->name, "settings",
				     settings_json(study->f), "models", models, "conditions",
				     conditions, "comparisons", comparisons, "diagnostics",
				     diagnostics, "kendall_w", kendall, "ppl_text_is_reference", 0,
				     "reference_findings", findings_json());
	json_decref(models);
	json_decref(conditions);
	json_decref(comparisons);
	json_decref(diagnostics);
	json_decref(kendall);
	return rc;
}
