#include "tools/study/results_json.h"

#include "tools/cmd/result.h"

void ps_put(ps_making *m, json_t *object, ps_results_key key, json_t *value)
{
	m->full |= json_object_set_new(object, ps_results_field_of(key)->name, value) != 0;
}

void ps_append(ps_making *m, json_t *list, json_t *value)
{
	m->full |= json_array_append_new(list, value) != 0;
}

json_t *ps_size_json(size_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *name_json(const char *name)
{
	return name ? json_string(name) : json_null();
}

json_t *ps_results_interval_json(ps_making *m, const ps_interval *interval)
{
	json_t *o = json_object();

	ps_put(m, o, PS_KEY_INTERVAL_ESTIMATE, ps_number_json(interval->estimate));
	ps_put(m, o, PS_KEY_INTERVAL_LOW, ps_number_json(interval->low));
	ps_put(m, o, PS_KEY_INTERVAL_HIGH, ps_number_json(interval->high));
	ps_put(m, o, PS_KEY_INTERVAL_ERROR, ps_number_json(interval->error));
	ps_put(m, o, PS_KEY_INTERVAL_P, ps_number_json(interval->p));
	ps_put(m, o, PS_KEY_INTERVAL_N, ps_size_json(interval->n));
	ps_put(m, o, PS_KEY_INTERVAL_UNIT, name_json(ps_unit_name(interval->unit)));
	ps_put(m, o, PS_KEY_INTERVAL_KIND, name_json(ps_interval_kind_name(interval->kind)));
	ps_put(m, o, PS_KEY_INTERVAL_WHY, name_json(ps_no_interval_name(interval->why)));
	return o;
}

json_t *ps_results_numbers_json(ps_making *m, const double *values, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		ps_append(m, list, ps_number_json(values[i]));
	return list;
}
