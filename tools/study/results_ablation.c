#include "tools/study/results_ablation.h"

#include <stdlib.h>

#include "tools/study/record_keys.h"

/* The effects of a record's latents; malloc'ed. NULL: no memory. */
static double *effects_of(const json_t *record, size_t *count)
{
	const json_t *list = json_object_get(record, PS_RECORD_ABLATION_EFFECT);
	double *effect;

	*count = json_array_size(list);
	effect = malloc((*count + 1) * sizeof *effect);
	for (size_t i = 0; effect && i < *count; i++)
		effect[i] = ps_json_number(json_array_get(list, i));
	return effect;
}

static double mean_of(const double *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return sum / (double)count;
}

static int correlate(ps_making *m, const double *direct, const double *spliced, size_t count,
		     ps_interval *out)
{
	const ps_bootstrap *bootstrap = &m->in->bootstrap;
	const ps_paired data = {.x = direct,
				.y = spliced,
				.count = count,
				.axis = {.count = count, .unit = PS_UNIT_LATENTS}};
	ps_arena arena = {0};
	int rc = ps_arena_create(
		&arena,
		ps_spearman_interval_bytes(bootstrap, count, ps_pool_threads(m->context->pool)),
		m->context->diag);

	if (!rc)
		rc = ps_spearman_interval(bootstrap, &data, m->context, &arena, out);
	ps_arena_destroy(&arena);
	return rc;
}

/* The same latents, with the SAE's error and without it. */
static int spliced_json(ps_making *m, const ps_model_records *model, json_t **out)
{
	size_t count, same;
	double *direct = effects_of(model->ablation[0], &count),
	       *spliced = effects_of(model->spliced_ablation, &same);
	ps_interval rho = {0};
	int rc = 0;

	if (!direct || !spliced)
		rc = ps_fail(m->context->diag, PS_EBUDGET, "no memory for %zu latents", count);
	else if (count != same)
		rc = ps_fail(m->context->diag, PS_EFAILED,
			     "%s: %zu latents were ablated directly, %zu in the reconstruction",
			     model->name, count, same);
	if (!rc)
		rc = correlate(m, direct, spliced, count, &rho);
	if (!rc) {
		*out = json_object();
		ps_put(m, *out, PS_KEY_SPLICED_ABLATION_FEATURES, ps_size_json(count));
		ps_put(m, *out, PS_KEY_SPLICED_ABLATION_MEAN_EFFECT,
		       ps_number_json(mean_of(spliced, count)));
		ps_put(m, *out, PS_KEY_SPLICED_ABLATION_MEAN_DIRECT,
		       ps_number_json(mean_of(direct, count)));
		ps_put(m, *out, PS_KEY_SPLICED_ABLATION_RHO_DIRECT,
		       ps_results_interval_json(m, &rho));
	}
	free(direct);
	free(spliced);
	return rc;
}

int ps_results_dense_ablation(ps_making *m, const ps_model_records *model, json_t **out)
{
	const char *effect = ps_results_field_of(PS_KEY_DENSE_ABLATION_MEAN_EFFECT)->name,
		   *from = ps_results_field_of(PS_KEY_DENSE_ABLATION_RATES_FROM)->name;
	json_t *o, *spliced = json_null();
	json_int_t latents = 0;
	double mean = 0;
	int rc = 0;

	for (size_t i = 0; i < model->ablations; i++) {
		latents += json_integer_value(
			json_object_get(model->ablation[i], PS_RECORD_ABLATION_LATENTS));
		mean += ps_json_number(json_object_get(model->ablation[i], effect)) /
			(double)model->ablations;
	}
	*out = json_null();
	if (!latents)
		return 0;
	if (model->spliced_ablation)
		rc = spliced_json(m, model, &spliced);
	if (rc)
		return rc;
	*out = o = json_object();
	ps_put(m, o, PS_KEY_DENSE_ABLATION_FEATURES, json_integer(latents));
	ps_put(m, o, PS_KEY_DENSE_ABLATION_MEAN_EFFECT, ps_number_json(mean));
	ps_put(m, o, PS_KEY_DENSE_ABLATION_RATES_FROM,
	       json_incref(json_object_get(model->ablation[0], from)));
	ps_put(m, o, PS_KEY_DENSE_ABLATION_SEEDS, ps_size_json(model->ablations));
	ps_put(m, o, PS_KEY_DENSE_ABLATION_SPLICED, spliced);
	return 0;
}
