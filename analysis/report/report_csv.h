/* analysis/report/report_csv.h: the tables of a study as CSV (RFC 4180, a header line, LF, full precision, empty where
 * nothing was measured). */
#ifndef PS_ANALYSIS_REPORT_REPORT_CSV_H
#define PS_ANALYSIS_REPORT_REPORT_CSV_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* models, conditions, survival, fragility, ablation, seeds. NULL beyond the last. */
const char *ps_csv_name(size_t index);
void ps_csv_write(FILE *out, const ps_results *results, size_t index);

#endif
