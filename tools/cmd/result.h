/* tools/cmd/result.h: what the commands' results are made of: numbers, intervals, and lists of them as JSON.
 *
 * JSON has no NaN and no infinity: such a number becomes null. Every function returns a new reference, or NULL
 * when memory ran out. json_pack takes such a NULL as its own failure, so one check of the whole is enough:
 *
 *	rc = ps_result_set(result, json_pack("{s:o}", "fvu", ps_number_json(fvu)), diag);
 */
#ifndef PS_TOOLS_CMD_RESULT_H
#define PS_TOOLS_CMD_RESULT_H

#include <jansson.h>

#include "analysis/statistics.h"

json_t *ps_number_json(double value);
json_t *ps_numbers_json(const double *values, size_t count);
json_t *ps_integers_json(const uint64_t *values, size_t count);
/* {estimate, low, high} */
json_t *ps_interval_json(const ps_interval *interval);

/* Hands value over as *result. PS_EBUDGET when value is NULL; *result stays as it was. */
int ps_result_set(json_t **result, json_t *value, ps_diag *diag) PS_MUST_USE;

/* The bootstrap that --samples and --seed ask for, with intervals of 95 %. PS_EUSAGE: samples out of range. */
int ps_bootstrap_make(int64_t samples, uint64_t seed, ps_bootstrap *bootstrap,
		      ps_diag *diag) PS_MUST_USE;

#endif
