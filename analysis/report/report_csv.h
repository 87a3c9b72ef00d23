/* analysis/report/report_csv.h: writes a study's results as CSV tables.
 *
 * Format: RFC 4180 with a header line and LF line ends. Numbers have full precision. A field is
 * empty where nothing was measured. */
#ifndef PS_ANALYSIS_REPORT_REPORT_CSV_H
#define PS_ANALYSIS_REPORT_REPORT_CSV_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* The name of the index-th table: models, conditions, survival, fragility, ablation, seeds.
 * NULL beyond the last. */
const char *ps_csv_name(size_t index);
/* Writes the index-th table, a row for each model, condition or pair of seeds. */
void ps_csv_write(FILE *out, const ps_results *results, size_t index);
/* Writes for docs/RESULTS.md which key of results.json each column of the index-th table holds. */
void ps_csv_describe(FILE *out, size_t index);

#endif
