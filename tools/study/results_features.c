#include "tools/study/results_features.h"

/* Latents of no class never fire on the dense model's rows, or have no correlation. */
static json_t *classes_json(ps_making *m, const json_t *record)
{
	static const struct {
		ps_results_key key;
		const char *name;
	} classes[] = {{PS_KEY_FEATURE_CLASSES_KEPT, "kept"},
		       {PS_KEY_FEATURE_CLASSES_SHIFTED, "shifted"},
		       {PS_KEY_FEATURE_CLASSES_BLURRED, "blurred"},
		       {PS_KEY_FEATURE_CLASSES_LOST, "lost"}};
	json_int_t none = json_integer_value(json_object_get(record, "latents"));
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		const json_int_t count =
			json_integer_value(json_object_get(record, classes[i].name));

		ps_put(m, o, classes[i].key, json_integer(count));
		none -= count;
	}
	ps_put(m, o, PS_KEY_FEATURE_CLASSES_NONE, json_integer(none));
	return o;
}

static json_t *count_json(const json_t *record, const char *name)
{
	return json_integer(json_integer_value(json_object_get(record, name)));
}

static void add(ps_making *m, const char *model, const ps_condition_records *c, json_t *list)
{
	json_t *o;

	if (!c->features)
		return;
	o = json_object();
	ps_put(m, o, PS_KEY_FEATURE_TABLE_MODEL, json_string(model));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_CONDITION, json_string(c->name));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_METHOD, json_string(c->method));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_SPARSITY, ps_number_json(c->sparsity));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_SEED, json_integer(m->in->file->seeds[0]));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_FILE, json_string(c->table));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_CSV, json_string(c->csv));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_CARDS, json_string(c->cards));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_ROWS, count_json(c->features, "rows"));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_LATENTS, count_json(c->features, "latents"));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_ACTIVE, count_json(c->features, "active"));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_CLASSES, classes_json(m, c->features));
	ps_put(m, o, PS_KEY_FEATURE_TABLE_SURVIVED,
	       ps_number_json(ps_json_number(json_object_get(c->features, "survived"))));
	ps_append(m, list, o);
}

void ps_results_features(ps_making *m, json_t *root)
{
	json_t *list = json_array();

	for (size_t i = 0; i < m->in->model_count; i++) {
		const ps_model_records *model = &m->in->models[i];

		for (size_t c = 0; c < model->condition_count; c++)
			add(m, model->name, &model->conditions[c], list);
		for (size_t c = 0; c < model->control_count; c++)
			add(m, model->name, &model->controls[c], list);
	}
	ps_put(m, root, PS_KEY_ROOT_FEATURES, list);
}
