#include "tools/cmd/result.h"

#include <math.h>

#include "tools/run/json_check.h"

enum { SAMPLES_MAX = 1000000 };

json_t *ps_number_json(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* Appends value, which may be NULL, to list, which may be NULL; returns list, or NULL when either failed. */
static json_t *append(json_t *list, json_t *value)
{
	if (list && value && !json_array_append_new(list, value))
		return list;
	if (!list)
		json_decref(value);
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

json_t *ps_interval_json(const ps_interval *interval)
{
	return json_pack("{s:o, s:o, s:o}", "estimate", ps_number_json(interval->estimate), "low",
			 ps_number_json(interval->low), "high", ps_number_json(interval->high));
}

int ps_result_set(json_t **result, json_t *value, ps_diag *diag)
{
	int rc = ps_json_check(value, diag);

	if (!rc)
		*result = value;
	return rc;
}

int ps_bootstrap_make(int64_t samples, uint64_t seed, ps_bootstrap *bootstrap, ps_diag *diag)
{
	if (samples < 1 || samples > SAMPLES_MAX)
		return ps_fail(diag, PS_EUSAGE, "--samples %lld: must be 1 to %d",
			       (long long)samples, SAMPLES_MAX);
	*bootstrap =
		(ps_bootstrap){.replicates = (size_t)samples, .confidence = 0.95, .seed = seed};
	return 0;
}
