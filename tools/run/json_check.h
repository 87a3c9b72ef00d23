/* tools/run/json_check.h: JSON values that could not be made. */
#ifndef PS_TOOLS_RUN_JSON_CHECK_H
#define PS_TOOLS_RUN_JSON_CHECK_H

#include <jansson.h>

#include "core/base/error.h"

/* jansson returns NULL when memory runs out: PS_EBUDGET then, else 0. */
static inline int PS_MUST_USE ps_json_check(const json_t *value, ps_diag *diag)
{
	return value ? 0 : ps_fail(diag, PS_EBUDGET, "no memory for a JSON value");
}

#endif
