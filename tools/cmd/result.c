#include "tools/cmd/result.h"

enum { SAMPLES_MAX = 1000000 };

json_t *ps_interval_json(const ps_interval *interval)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:s?, s:s?, s:s?}", "estimate",
			 ps_number_json(interval->estimate), "low", ps_number_json(interval->low),
			 "high", ps_number_json(interval->high), "error",
			 ps_number_json(interval->error), "p", ps_number_json(interval->p), "n",
			 (json_int_t)interval->n, "unit", ps_unit_name(interval->unit), "kind",
			 ps_interval_kind_name(interval->kind), "why",
			 ps_no_interval_name(interval->why));
}

json_t *ps_intervals_add(json_t *object, const ps_named_interval *list, size_t count)
{
	for (size_t i = 0; i < count && object; i++)
		if (json_object_set_new(object, list[i].name, ps_interval_json(list[i].interval))) {
			json_decref(object);
			object = NULL;
		}
	return object;
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
