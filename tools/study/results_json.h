/* tools/study/results_json.h: what the makers of results.json share: they put values under the keys
 * of the schema and note when no memory was left for one. */
#ifndef PS_TOOLS_STUDY_RESULTS_JSON_H
#define PS_TOOLS_STUDY_RESULTS_JSON_H

#include "analysis/report/report_data.h"
#include "tools/study/results.h"

typedef struct ps_making {
	const ps_results_input *in;
	const ps_context *context;
	bool full; /* no memory was left for a value */
} ps_making;

/* Puts a value under a key of the schema and takes it over. value NULL: no memory was left for
 * it. */
void ps_put(ps_making *m, json_t *object, ps_results_key key, json_t *value);
/* Appends a value and takes it over. */
void ps_append(ps_making *m, json_t *list, json_t *value);
json_t *ps_size_json(size_t value);
/* An interval as the schema has it. */
json_t *ps_results_interval_json(ps_making *m, const ps_interval *interval);
/* Numbers as a list; NaN becomes null. */
json_t *ps_results_numbers_json(ps_making *m, const double *values, size_t count);

#endif
