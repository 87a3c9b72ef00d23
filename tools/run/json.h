/* tools/run/json.h: JSON values that are made from numbers, and those that could not be made.
 *
 * JSON has no NaN and no infinity: such a number becomes null (core/base/json.h). Every function
 * that makes a value returns a new reference, or NULL when memory ran out. json_pack and
 * json_object_set_new take a NULL as their own failure, so one check of the whole is enough:
 *
 *   json_t *value = json_pack("{s:o}", "fvu", ps_number_json(fvu));
 *   int rc = ps_json_check(value, diag); */
#ifndef PS_TOOLS_RUN_JSON_H
#define PS_TOOLS_RUN_JSON_H

#include <stdint.h>

#include "core/base/error.h"
#include "core/base/json.h"

/* PS_EBUDGET for NULL, else 0. */
int ps_json_check(const json_t *value, ps_diag *diag) PS_MUST_USE;

json_t *ps_numbers_json(const double *values, size_t count) PS_MUST_USE;
json_t *ps_integers_json(const uint64_t *values, size_t count) PS_MUST_USE;

#endif
