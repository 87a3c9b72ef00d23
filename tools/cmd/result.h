/* tools/cmd/result.h: what the results of commands have in common. Their numbers are made in
 * tools/run/json.h. */
#ifndef PS_TOOLS_CMD_RESULT_H
#define PS_TOOLS_CMD_RESULT_H

#include "analysis/statistics.h"
#include "tools/run/json.h"

/* {estimate, low, high, error, p, n, unit, kind, why}, as analysis/interval.h has them; NULL when
 * memory ran out. */
json_t *ps_interval_json(const ps_interval *interval);

typedef struct ps_named_interval {
	const char *name;
	const ps_interval *interval;
} ps_named_interval;

/* Adds intervals to an object, each under its name, and returns the object. NULL when memory ran
 * out; the object is gone then. object NULL: no memory was left for it. */
json_t *ps_intervals_add(json_t *object, const ps_named_interval *list, size_t count);

/* Hands value over as *result. PS_EBUDGET when value is NULL; *result stays as it was. */
int ps_result_set(json_t **result, json_t *value, ps_diag *diag) PS_MUST_USE;

/* The bootstrap that --samples and --seed ask for, with intervals of 95 %. PS_EUSAGE: samples out
 * of range. */
int ps_bootstrap_make(int64_t samples, uint64_t seed, ps_bootstrap *bootstrap,
		      ps_diag *diag) PS_MUST_USE;

#endif
