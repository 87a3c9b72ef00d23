#include "tools/run/json.h"

int ps_json_check(const json_t *value, ps_diag *diag)
{
	return value ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for a JSON value");
}

/* Appends value and returns the list; NULL when either of them is NULL or memory runs out. Both are
 * taken over. */
static json_t *append(json_t *list, json_t *value)
{
	if (!json_array_append_new(list, value))
		return list;
	json_decref(list);
	return NULL;
}

json_t *ps_numbers_json(const double *values, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count && list; i++)
		list = append(list, ps_number_json(values[i]));
	return list;
}

json_t *ps_integers_json(const uint64_t *values, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count && list; i++)
		list = append(list, json_integer((json_int_t)values[i]));
	return list;
}
