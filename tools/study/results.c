#include "tools/study/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/reference.h"
#include "analysis/seeds.h"
#include "io/safetensors.h"
#include "io/sealed_json.h"
#include "tools/cmd/result.h"
#include "tools/study/record_keys.h"
#include "tools/study/results_ablation.h"
#include "tools/study/results_features.h"
#include "tools/study/results_over.h"
#include "tools/study/results_seeds.h"
#include "tools/train/sae_config.h"

/* --- objects of the schema --- */

static json_t *or_null(const json_t *value)
{
	return value ? json_incref((json_t *)value) : json_null();
}

static json_t *copy_object(ps_making *m, const json_t *record, ps_results_object kind);

static json_t *copy_value(ps_making *m, const json_t *value, const ps_results_field *field)
{
	json_t *list;

	if (!field->of || !value)
		return or_null(value);
	if (field->type == PS_VALUE_OBJECT)
		return copy_object(m, value, field->of);
	list = json_array();
	for (size_t i = 0; i < json_array_size(value); i++)
		ps_append(m, list, copy_object(m, json_array_get(value, i), field->of));
	return list;
}

/* Copies the keys of a schema's object from a record. JSON null if the record is null or not
 * there. */
static json_t *copy_object(ps_making *m, const json_t *record, ps_results_object kind)
{
	json_t *o;

	if (!json_is_object(record))
		return json_null();
	o = json_object();
	for (ps_results_key key = PS_KEY_NONE + 1; key < PS_KEYS; key++) {
		const ps_results_field *field = ps_results_field_of(key);

		if (field->object == kind)
			ps_put(m, o, key,
			       copy_value(m, json_object_get(record, field->name), field));
	}
	return o;
}

/* Copies the value that a record has under the schema's own key. */
static void copy(ps_making *m, json_t *object, ps_results_key key, const json_t *record)
{
	const ps_results_field *field = ps_results_field_of(key);

	ps_put(m, object, key, copy_value(m, json_object_get(record, field->name), field));
}

/* --- settings --- */

static json_t *texts_json(ps_making *m, const char *const *texts, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		ps_append(m, list, json_string(texts[i]));
	return list;
}

static json_t *sae_settings_json(ps_making *m, const ps_study_file *f)
{
	json_t *o = json_object();

	ps_put(m, o, PS_KEY_SETTINGS_SAE_ARCH, json_string(f->sae.arch));
	ps_put(m, o, PS_KEY_SETTINGS_SAE_INIT, json_string(f->sae.init));
	ps_put(m, o, PS_KEY_SETTINGS_SAE_EXPANSION, json_integer(f->sae.expansion));
	ps_put(m, o, PS_KEY_SETTINGS_SAE_D_SAE, json_integer(f->sae.d_sae));
	ps_put(m, o, PS_KEY_SETTINGS_SAE_K, json_integer(f->sae.k));
	ps_put(m, o, PS_KEY_SETTINGS_SAE_BATCH, json_integer(f->sae.batch));
	ps_put(m, o, PS_KEY_SETTINGS_SAE_DATA_SEED,
	       f->sae.data_seed < 0 ? json_null() : json_integer(f->sae.data_seed));
	return o;
}

static json_t *controls_settings_json(ps_making *m, const ps_study_file *f)
{
	json_t *o = json_object();

	ps_put(m, o, PS_KEY_SETTINGS_CONTROLS_RETRAIN, json_boolean(f->controls.retrain));
	ps_put(m, o, PS_KEY_SETTINGS_CONTROLS_RANDOM, json_boolean(f->controls.random));
	ps_put(m, o, PS_KEY_SETTINGS_CONTROLS_AT_SPARSITY, ps_number_json(f->controls.at_sparsity));
	ps_put(m, o, PS_KEY_SETTINGS_CONTROLS_ROUNDING,
	       texts_json(m, (const char *const *)f->controls.rounding,
			  f->controls.rounding_count));
	ps_put(m, o, PS_KEY_SETTINGS_CONTROLS_MATCHED,
	       texts_json(m, (const char *const *)f->controls.matched, f->controls.matched_count));
	ps_put(m, o, PS_KEY_SETTINGS_CONTROLS_FROZEN,
	       texts_json(m, (const char *const *)f->controls.frozen, f->controls.frozen_count));
	return o;
}

static json_t *ppl_settings_json(ps_making *m, const ps_study_file *f)
{
	json_t *o = json_object();

	ps_put(m, o, PS_KEY_SETTINGS_PPL_WINDOW, json_integer(f->ppl.window));
	ps_put(m, o, PS_KEY_SETTINGS_PPL_STRIDE, json_integer(f->ppl.stride));
	ps_put(m, o, PS_KEY_SETTINGS_PPL_MAX_TOKENS, json_integer(f->ppl.max_tokens));
	return o;
}

static void put_pruning_settings(ps_making *m, json_t *settings, const ps_study_file *f)
{
	json_t *magnitude = json_object(), *wanda = json_object();

	ps_put(m, magnitude, PS_KEY_SETTINGS_MAGNITUDE_SCOPE,
	       json_string(f->magnitude.scope ? f->magnitude.scope : "matrix"));
	ps_put(m, magnitude, PS_KEY_SETTINGS_MAGNITUDE_POOL_EMBEDDING,
	       json_boolean(f->magnitude.pool_embedding));
	ps_put(m, wanda, PS_KEY_SETTINGS_WANDA_SCOPE,
	       json_string(f->wanda.scope ? f->wanda.scope : "row"));
	ps_put(m, wanda, PS_KEY_SETTINGS_WANDA_CALIBRATION,
	       json_string(f->wanda.calibration ? f->wanda.calibration : "sequential"));
	ps_put(m, settings, PS_KEY_SETTINGS_MAGNITUDE, magnitude);
	ps_put(m, settings, PS_KEY_SETTINGS_WANDA, wanda);
}

static json_t *settings_json(ps_making *m)
{
	const ps_study_file *f = m->in->file;
	json_t *o = json_object(), *seeds = json_array(), *sparsities = json_array(),
	       *checkpoints = json_array();

	for (unsigned i = 0; i < f->seeds_count; i++)
		ps_append(m, seeds, json_integer(f->seeds[i]));
	for (unsigned i = 0; i < f->sparsities_count; i++)
		ps_append(m, sparsities, ps_number_json(f->sparsities[i]));
	for (unsigned i = 0; i < f->checkpoints_count; i++)
		ps_append(m, checkpoints, json_string(f->checkpoints[i].name));
	ps_put(m, o, PS_KEY_SETTINGS_CHECKPOINTS, checkpoints);
	ps_put(m, o, PS_KEY_SETTINGS_WINDOW, json_integer(f->window));
	ps_put(m, o, PS_KEY_SETTINGS_CALIBRATION_TOKENS, json_integer(f->calibration_tokens));
	ps_put(m, o, PS_KEY_SETTINGS_TRAIN_TOKENS, json_integer(f->train_tokens));
	ps_put(m, o, PS_KEY_SETTINGS_CACHE_TOKENS, json_integer(f->cache_tokens));
	ps_put(m, o, PS_KEY_SETTINGS_FEATURES, json_boolean(f->features));
	ps_put(m, o, PS_KEY_SETTINGS_ALLOW_FEWER, json_boolean(f->allow_fewer));
	ps_put(m, o, PS_KEY_SETTINGS_SEEDS, seeds);
	ps_put(m, o, PS_KEY_SETTINGS_PRUNED_SEEDS, json_integer(f->pruned_seeds));
	ps_put(m, o, PS_KEY_SETTINGS_METHODS,
	       texts_json(m, (const char *const *)f->methods, f->methods_count));
	ps_put(m, o, PS_KEY_SETTINGS_SPARSITIES, sparsities);
	ps_put(m, o, PS_KEY_SETTINGS_BOS, json_string(f->bos));
	ps_put(m, o, PS_KEY_SETTINGS_PRECISION, json_string(f->precision));
	ps_put(m, o, PS_KEY_SETTINGS_DOCUMENTS, json_string(f->documents));
	ps_put(m, o, PS_KEY_SETTINGS_MIN_CHARS, json_integer(f->min_chars));
	ps_put(m, o, PS_KEY_SETTINGS_CONTROLS, controls_settings_json(m, f));
	ps_put(m, o, PS_KEY_SETTINGS_SAE, sae_settings_json(m, f));
	ps_put(m, o, PS_KEY_SETTINGS_PPL, ppl_settings_json(m, f));
	put_pruning_settings(m, o, f);
	ps_put(m, o, PS_KEY_SETTINGS_SPLICE_WINDOWS, json_integer(f->splice.windows));
	ps_put(m, o, PS_KEY_SETTINGS_ABLATION_WINDOWS, json_integer(f->ablation.windows));
	ps_put(m, o, PS_KEY_SETTINGS_ABLATION_SEEDS, json_integer(f->ablation.seeds));
	ps_put(m, o, PS_KEY_SETTINGS_BOOTSTRAP_SAMPLES, json_integer(f->bootstrap.samples));
	return o;
}

/* --- models --- */

static json_t *saes_json(ps_making *m, const ps_condition_records *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->seeds; i++) {
		json_t *sae = json_object();

		ps_put(m, sae, PS_KEY_SAE_SEED, json_integer(m->in->file->seeds[i]));
		copy(m, sae, PS_KEY_SAE_FVU, c->train[i]);
		copy(m, sae, PS_KEY_SAE_L0, c->train[i]);
		copy(m, sae, PS_KEY_SAE_DEAD_FRACTION, c->train[i]);
		ps_append(m, list, sae);
	}
	return list;
}

/* Of all SAEs whose latents were ablated. */
static json_t *model_reference_json(ps_making *m, const ps_model_config *config)
{
	const ps_reference_model *reference = ps_reference_model_of(config);
	json_t *o;

	if (!reference)
		return json_null();
	o = json_object();
	ps_put(m, o, PS_KEY_MODEL_REFERENCE_NAME, json_string(reference->name));
	ps_put(m, o, PS_KEY_MODEL_REFERENCE_PPL, ps_number_json(reference->ppl));
	return o;
}

/* The last parts of a path, at most three: published dictionaries need so many to be told apart. */
static json_t *name_of_path(const char *path)
{
	size_t end = strlen(path), begin;
	int slashes = 0;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0; begin--)
		if (path[begin - 1] == '/' && ++slashes == 3)
			break;
	while (begin + 1 < end && path[begin] == '/')
		begin++;
	return json_stringn(path + begin, end - begin);
}

static json_t *dictionary_json(ps_making *m, const ps_model_records *model)
{
	/* Every condition's record tells of the dense model's rows too. */
	const json_t *record = model->condition_count ? model->conditions[0].dictionary : NULL;
	const ps_sae *shape = model->dictionary_shape;
	json_t *o;

	if (!record)
		return json_null();
	o = json_object();
	ps_put(m, o, PS_KEY_MODEL_DICTIONARY_NAME, name_of_path(model->dictionary));
	ps_put(m, o, PS_KEY_MODEL_DICTIONARY_ARCHITECTURE,
	       json_string(ps_sae_arch_name(shape->arch)));
	ps_put(m, o, PS_KEY_MODEL_DICTIONARY_D_SAE, ps_size_json(shape->d_sae));
	ps_put(m, o, PS_KEY_MODEL_DICTIONARY_FVU,
	       or_null(json_object_get(record, PS_RECORD_TRANSFER_FVU_DENSE)));
	ps_put(m, o, PS_KEY_MODEL_DICTIONARY_L0,
	       or_null(json_object_get(record, PS_RECORD_TRANSFER_L0_DENSE)));
	return o;
}

static int model_json(ps_making *m, const ps_model_records *model, json_t *list)
{
	const ps_condition_records *dense = &model->dense;
	const ps_model_config *config = model->config;
	json_t *ablation, *o;
	int rc = ps_results_dense_ablation(m, model, &ablation);

	if (rc)
		return rc;
	o = json_object();
	ps_put(m, o, PS_KEY_MODEL_NAME, json_string(model->name));
	ps_put(m, o, PS_KEY_MODEL_FAMILY, json_string(ps_family_name(config->family)));
	ps_put(m, o, PS_KEY_MODEL_LAYERS, ps_size_json(config->layers));
	ps_put(m, o, PS_KEY_MODEL_WIDTH, ps_size_json(config->width));
	ps_put(m, o, PS_KEY_MODEL_LAYER, json_integer(model->layer));
	ps_put(m, o, PS_KEY_MODEL_DIGEST, json_string(model->digest));
	ps_put(m, o, PS_KEY_MODEL_WEIGHT_BYTES, json_integer((json_int_t)model->weight_bytes));
	copy(m, o, PS_KEY_MODEL_PPL, dense->ppl);
	copy(m, o, PS_KEY_MODEL_NLL, dense->ppl);
	ps_put(m, o, PS_KEY_MODEL_PPL_TOKENS,
	       or_null(json_object_get(dense->ppl, PS_RECORD_PPL_TOKENS)));
	ps_put(m, o, PS_KEY_MODEL_SAES, saes_json(m, dense));
	ps_put(m, o, PS_KEY_MODEL_SPLICE,
	       copy_object(m, dense->splices ? dense->splice[0] : NULL, PS_OBJECT_SPLICE));
	ps_put(m, o, PS_KEY_MODEL_SPLICES, ps_results_splices(m, dense));
	ps_put(m, o, PS_KEY_MODEL_SEEDS, copy_object(m, model->seeds, PS_OBJECT_SEEDS));
	ps_put(m, o, PS_KEY_MODEL_ABLATION, ablation);
	ps_put(m, o, PS_KEY_MODEL_DICTIONARY, dictionary_json(m, model));
	ps_put(m, o, PS_KEY_MODEL_REFERENCE, model_reference_json(m, config));
	ps_append(m, list, o);
	return 0;
}

/* --- conditions --- */

/* Copies a list of numbers from a record. The caller frees the array. */
static double *column(const json_t *record, const char *key, size_t *count)
{
	const json_t *list = json_object_get(record, key);
	double *values;

	*count = json_array_size(list);
	values = malloc((*count + 1) * sizeof *values);
	for (size_t i = 0; values && i < *count; i++)
		values[i] = ps_json_number(json_array_get(list, i));
	return values;
}

/* The mean nll of record a less that of record b. Each replicate draws the same blocks of windows
 * of both: windows that follow each other in the text depend on each other. */
static int nll_difference(ps_making *m, const json_t *a, const json_t *b, ps_interval *out)
{
	const ps_bootstrap *bootstrap = &m->in->bootstrap;
	ps_diag *diag = m->context->diag;
	size_t n, n_b, n_tokens;
	double *sum_a = column(a, PS_RECORD_PPL_WINDOW_NLL, &n),
	       *tokens = column(a, PS_RECORD_PPL_WINDOW_TOKENS, &n_tokens),
	       *sum_b = column(b, PS_RECORD_PPL_WINDOW_NLL, &n_b);
	size_t blocks = 0;
	ps_arena arena = {0};
	int rc = sum_a && tokens && sum_b
			 ? 0
			 : ps_fail(diag, PS_EBUDGET, "no memory for %zu windows", n);

	if (!rc && (n != n_b || n != n_tokens))
		rc = ps_fail(diag, PS_EFAILED,
			     "perplexities over different windows cannot be paired");
	if (!rc) {
		blocks = ps_block_sums(sum_a, n, PS_BLOCK_WINDOWS);
		ps_block_sums(sum_b, n, PS_BLOCK_WINDOWS);
		ps_block_sums(tokens, n, PS_BLOCK_WINDOWS);
		rc = ps_arena_create(
			&arena,
			ps_bootstrap_bytes(bootstrap, blocks, ps_pool_threads(m->context->pool)),
			diag);
	}
	if (!rc)
		rc = ps_bootstrap_ratio_change(bootstrap, (ps_ratio){sum_a, tokens},
					       (ps_ratio){sum_b, tokens},
					       (ps_axis){.count = blocks, .unit = PS_UNIT_BLOCKS},
					       m->context, &arena, out);
	ps_arena_destroy(&arena);
	free(sum_a);
	free(sum_b);
	free(tokens);
	return rc;
}

/* Puts the share of zeros in each kind of projection, from the mask file's metadata. */
static int put_achieved(ps_making *m, const ps_condition_records *c, json_t *condition)
{
	static const ps_results_key kinds[] = {PS_KEY_ACHIEVED_Q_PROJ,    PS_KEY_ACHIEVED_K_PROJ,
					       PS_KEY_ACHIEVED_V_PROJ,    PS_KEY_ACHIEVED_O_PROJ,
					       PS_KEY_ACHIEVED_GATE_PROJ, PS_KEY_ACHIEVED_UP_PROJ,
					       PS_KEY_ACHIEVED_DOWN_PROJ};
	ps_safetensors file;
	json_t *o, *entry, *tensors;
	const char *name;
	int rc;

	if (!c->mask_path) {
		ps_put(m, condition, PS_KEY_CONDITION_ACHIEVED, json_null());
		return 0;
	}
	rc = ps_safetensors_open(&file, &ps_sys_linux, c->mask_path, m->context->diag);
	if (rc)
		return rc;
	o = json_object();
	tensors = json_object_get(file.metadata, PS_RECORD_MASK_TENSORS);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
		double dropped = 0, all = 0;

		json_object_foreach (tensors, name, entry) {
			if (!strstr(name, ps_results_field_of(kinds[k])->name))
				continue;
			dropped +=
				json_number_value(json_object_get(entry, PS_RECORD_MASK_DROPPED));
			all += json_number_value(json_object_get(entry, PS_RECORD_MASK_ROWS)) *
			       json_number_value(json_object_get(entry, PS_RECORD_MASK_COLS));
		}
		ps_put(m, o, kinds[k], ps_number_json(dropped / all));
	}
	ps_safetensors_close(&file);
	ps_put(m, condition, PS_KEY_CONDITION_ACHIEVED, o);
	return 0;
}

static json_t *reference_json(ps_making *m, const ps_model_config *config,
			      const ps_condition_records *c)
{
	const ps_reference_model *model = ps_reference_model_of(config);
	const ps_reference_condition *r =
		model ? ps_reference_find(model, c->method, c->sparsity) : NULL;
	json_t *o;

	if (!r)
		return json_null();
	o = json_object();
	ps_put(m, o, PS_KEY_REFERENCE_MNN_SURVIVAL, ps_number_json(r->survival));
	ps_put(m, o, PS_KEY_REFERENCE_MNN_SURVIVAL_SD, ps_number_json(r->survival_sd));
	ps_put(m, o, PS_KEY_REFERENCE_JACCARD, ps_number_json(r->jaccard));
	ps_put(m, o, PS_KEY_REFERENCE_PPL, ps_number_json(r->ppl));
	return o;
}

static void put_survival(ps_making *m, json_t *o, const json_t *survival)
{
	const json_t *mean = json_object_get(survival, PS_RECORD_SURVIVAL_MEAN),
		     *sd = json_object_get(survival, PS_RECORD_SURVIVAL_SD),
		     *other = json_object_get(survival, PS_RECORD_SURVIVAL_OTHER);

	ps_put(m, o, PS_KEY_CONDITION_MNN_SURVIVAL, or_null(json_array_get(mean, PS_TAU_MAIN)));
	ps_put(m, o, PS_KEY_CONDITION_MNN_SURVIVAL_SD, or_null(json_array_get(sd, PS_TAU_MAIN)));
	ps_put(m, o, PS_KEY_CONDITION_MNN_SURVIVAL_ALIVE,
	       or_null(json_object_get(survival, PS_RECORD_SURVIVAL_ALIVE)));
	ps_put(m, o, PS_KEY_CONDITION_MNN_SURVIVAL_INDEPENDENT,
	       or_null(json_array_get(other, PS_TAU_MAIN)));
	ps_put(m, o, PS_KEY_CONDITION_MNN_SURVIVAL_BY_SEED,
	       or_null(json_object_get(survival, PS_RECORD_SURVIVAL_BY_SEED)));
	ps_put(m, o, PS_KEY_CONDITION_SURVIVAL, or_null(mean));
	copy(m, o, PS_KEY_CONDITION_TAUS, survival);
}

static void put_perplexity(ps_making *m, json_t *o, const json_t *ppl, const json_t *dense)
{
	const char *nll = ps_results_field_of(PS_KEY_CONDITION_NLL)->name;

	copy(m, o, PS_KEY_CONDITION_PPL, ppl);
	copy(m, o, PS_KEY_CONDITION_NLL, ppl);
	ps_put(m, o, PS_KEY_CONDITION_DELTA_LOG_PPL,
	       ps_number_json(ps_json_number(json_object_get(ppl, nll)) -
			      ps_json_number(json_object_get(dense, nll))));
	ps_put(m, o, PS_KEY_CONDITION_N, or_null(json_object_get(ppl, PS_RECORD_PPL_TOKENS)));
}

/* All measures of a condition. *out: a new object. Where the model is the dense one, those that
 * compare two models are null. */
static int measures_json(ps_making *m, const ps_model_records *model, const ps_condition_records *c,
			 json_t **out)
{
	ps_interval change = ps_no_interval();
	int rc = c->ppl ? nll_difference(m, c->ppl, model->dense.ppl, &change) : 0;
	json_t *o;

	if (rc)
		return rc;
	*out = o = json_object();
	ps_put(m, o, PS_KEY_CONDITION_MODEL, json_string(model->name));
	ps_put(m, o, PS_KEY_CONDITION_METHOD, c->method ? json_string(c->method) : json_null());
	ps_put(m, o, PS_KEY_CONDITION_SPARSITY, ps_number_json(c->sparsity));
	copy(m, o, PS_KEY_CONDITION_SPARSITY_ACHIEVED, c->mask ? c->mask : c->zeros);
	put_perplexity(m, o, c->ppl, model->dense.ppl);
	ps_put(m, o, PS_KEY_CONDITION_DELTA_LOG_PPL_INTERVAL,
	       c->ppl ? ps_results_interval_json(m, &change) : json_null());
	put_survival(m, o, json_object_get(c->findings, PS_RECORD_SURVIVAL));
	ps_results_put_transfer(m, o, c);
	ps_put(m, o, PS_KEY_CONDITION_DICTIONARY,
	       copy_object(m, c->dictionary, PS_OBJECT_DICTIONARY));
	ps_put(m, o, PS_KEY_CONDITION_SAES, saes_json(m, c));
	ps_put(m, o, PS_KEY_CONDITION_SPLICE,
	       copy_object(m, c->splices ? c->splice[0] : NULL, PS_OBJECT_SPLICE));
	ps_put(m, o, PS_KEY_CONDITION_SPLICES, ps_results_splices(m, c));
	copy(m, o, PS_KEY_CONDITION_OWN_START, c->findings);
	copy(m, o, PS_KEY_CONDITION_FRAGILITY, c->findings);
	copy(m, o, PS_KEY_CONDITION_PREDICTORS, c->findings);
	copy(m, o, PS_KEY_CONDITION_ABLATION, c->findings);
	ps_results_name_seeds(m, o);
	return 0;
}

static int condition_json(ps_making *m, const ps_model_records *model,
			  const ps_condition_records *c, json_t *list)
{
	json_t *o;
	int rc = measures_json(m, model, c, &o);

	if (rc)
		return rc;
	rc = put_achieved(m, c, o);
	ps_put(m, o, PS_KEY_CONDITION_REFERENCE, reference_json(m, model->config, c));
	ps_append(m, list, o);
	return rc;
}

static int control_json(ps_making *m, const ps_model_records *model, const ps_condition_records *c,
			json_t *list)
{
	json_t *o;
	int rc = measures_json(m, model, c, &o);

	if (rc)
		return rc;
	ps_put(m, o, PS_KEY_CONTROL_NAME, json_string(c->name));
	ps_put(m, o, PS_KEY_CONTROL_KIND, json_string(c->control));
	ps_put(m, o, PS_KEY_CONTROL_MATCH,
	       c->match ? copy_object(m, c->mask, PS_OBJECT_MATCH) : json_null());
	ps_put(m, o, PS_KEY_CONTROL_LIKE, c->like ? json_string(c->like) : json_null());
	ps_append(m, list, copy_object(m, o, PS_OBJECT_CONTROL));
	json_decref(o);
	return 0;
}

/* --- over conditions --- */

static const ps_condition_records *find_condition(const ps_model_records *model, const char *method,
						  double sparsity)
{
	for (size_t i = 0; i < model->condition_count; i++)
		if (!strcmp(model->conditions[i].method, method) &&
		    fabs(model->conditions[i].sparsity - sparsity) < 1e-9)
			return &model->conditions[i];
	return NULL;
}

static int comparison_json(ps_making *m, const ps_model_records *model, double sparsity,
			   json_t *list)
{
	const ps_condition_records *wanda = find_condition(model, "wanda", sparsity),
				   *magnitude = find_condition(model, "magnitude", sparsity);
	ps_interval difference;
	json_t *o;
	int rc;

	if (!wanda || !magnitude)
		return 0;
	rc = nll_difference(m, wanda->ppl, magnitude->ppl, &difference);
	if (rc)
		return rc;
	o = json_object();
	ps_put(m, o, PS_KEY_COMPARISON_MODEL, json_string(model->name));
	ps_put(m, o, PS_KEY_COMPARISON_SPARSITY, ps_number_json(sparsity));
	ps_put(m, o, PS_KEY_COMPARISON_WANDA_MINUS_MAGNITUDE,
	       ps_results_interval_json(m, &difference));
	ps_append(m, list, o);
	return 0;
}

static json_t *reference_findings_json(ps_making *m)
{
	size_t count;
	const ps_reference_finding *f = ps_reference_findings(&count);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		ps_put(m, o, PS_KEY_FINDING_QUESTION, json_string(f[i].question));
		ps_put(m, o, PS_KEY_FINDING_TEXT, json_string(f[i].text));
		ps_put(m, o, PS_KEY_FINDING_VALUE, ps_number_json(f[i].value));
		ps_put(m, o, PS_KEY_FINDING_LOW, ps_number_json(f[i].low));
		ps_put(m, o, PS_KEY_FINDING_HIGH, ps_number_json(f[i].high));
		ps_put(m, o, PS_KEY_FINDING_SUPERSEDED, json_boolean(f[i].superseded));
		ps_append(m, list, o);
	}
	return list;
}

/* --- the whole --- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the kernels, sorted, each once. */
static json_t *kernels_json(ps_making *m)
{
	const size_t count = m->in->kernel_count;
	const char **names = malloc((count + 1) * sizeof *names);
	size_t distinct = 0;
	json_t *list;

	if (!names)
		return NULL;
	for (size_t i = 0; i < count; i++)
		names[i] = m->in->kernels[i];
	qsort(names, count, sizeof *names, by_text);
	for (size_t i = 0; i < count; i++)
		if (!distinct || strcmp(names[i], names[distinct - 1]))
			names[distinct++] = names[i];
	list = texts_json(m, names, distinct);
	free(names);
	return list;
}

/* Fills in models and conditions, and what is computed over all conditions. */
static int fill(ps_making *m, json_t *root)
{
	const ps_study_file *f = m->in->file;
	json_t *models = json_array(), *conditions = json_array(), *controls = json_array(),
	       *comparisons = json_array();
	int rc = 0;

	ps_put(m, root, PS_KEY_ROOT_MODELS, models);
	ps_put(m, root, PS_KEY_ROOT_CONDITIONS, conditions);
	ps_put(m, root, PS_KEY_ROOT_CONTROLS, controls);
	ps_put(m, root, PS_KEY_ROOT_COMPARISONS, comparisons);
	if (m->full)
		return 0;
	for (size_t i = 0; i < m->in->model_count && !rc; i++) {
		const ps_model_records *model = &m->in->models[i];

		rc = model_json(m, model, models);
		for (size_t c = 0; c < model->condition_count && !rc; c++)
			rc = condition_json(m, model, &model->conditions[c], conditions);
		for (size_t c = 0; c < model->control_count && !rc; c++)
			rc = control_json(m, model, &model->controls[c], controls);
		for (unsigned s = 0; s < f->sparsities_count && !rc; s++)
			rc = comparison_json(m, model, f->sparsities[s], comparisons);
	}
	if (rc || m->full)
		return rc;
	return ps_results_over(m, models, conditions, comparisons, root);
}

/* Adds the checksum of all else. */
static int seal(ps_making *m, json_t *root)
{
	char digest[PS_DIGEST_TEXT];
	int rc = ps_json_digest(root, digest, m->context->diag);

	if (!rc)
		ps_put(m, root, PS_KEY_ROOT_CHECKSUM, json_string(digest));
	if (!rc && m->full)
		rc = ps_fail(m->context->diag, PS_EBUDGET, "no memory for results.json");
	return rc;
}

json_t *ps_results_settings(const ps_study_file *file)
{
	const ps_results_input input = {.file = file};
	ps_making m = {.in = &input};
	json_t *root = json_object();

	ps_put(&m, root, PS_KEY_ROOT_NAME, json_string(file->name));
	ps_put(&m, root, PS_KEY_ROOT_SETTINGS, settings_json(&m));
	if (!m.full)
		return root;
	json_decref(root);
	return NULL;
}

int ps_results_make(const ps_results_input *input, const ps_context *context, json_t **results)
{
	ps_making m = {.in = input, .context = context};
	json_t *root = json_object();
	int rc;

	ps_put(&m, root, PS_KEY_ROOT_VERSION, json_integer(PS_RESULTS_VERSION));
	ps_put(&m, root, PS_KEY_ROOT_NAME, json_string(input->file->name));
	ps_put(&m, root, PS_KEY_ROOT_SETTINGS, settings_json(&m));
	ps_put(&m, root, PS_KEY_ROOT_KERNELS, kernels_json(&m));
	ps_put(&m, root, PS_KEY_ROOT_PPL_TEXT_TRAINED, json_boolean(input->ppl_text_trained));
	ps_put(&m, root, PS_KEY_ROOT_REFERENCE_FINDINGS, reference_findings_json(&m));
	ps_results_features(&m, root);
	rc = fill(&m, root);
	if (!rc && m.full)
		rc = ps_fail(context->diag, PS_EBUDGET, "no memory for results.json");
	if (!rc)
		rc = seal(&m, root);
	if (!rc)
		rc = ps_results_check(root, context->diag);
	if (rc) {
		json_decref(root);
		root = NULL;
	}
	*results = root;
	return rc;
}

void ps_results_print(const json_t *results)
{
	const json_t *c;
	size_t i;

	printf("%-12s %-10s %8s %12s %12s %10s %9s %8s\n", "model", "method", "sparsity",
	       "perplexity", "change, nats", "survival", "Jaccard", "FVU");
	json_array_foreach (ps_results_at(results, PS_AT(ROOT_CONDITIONS)), i, c)
		printf("%-12s %-10s %8.2f %12.4g %12.4f %10.3f %9.3f %8.3f\n",
		       ps_results_text(c, PS_AT(CONDITION_MODEL)),
		       ps_results_text(c, PS_AT(CONDITION_METHOD)),
		       ps_results_number(c, PS_AT(CONDITION_SPARSITY)),
		       ps_results_number(c, PS_AT(CONDITION_PPL)),
		       ps_results_number(c, PS_AT(CONDITION_DELTA_LOG_PPL)),
		       ps_results_number(c, PS_AT(CONDITION_MNN_SURVIVAL)),
		       ps_results_number(c, PS_AT(CONDITION_JACCARD)),
		       ps_results_number(c, PS_AT(CONDITION_FVU)));
	printf("\n");
}
