/* analysis/report/report_tables.h: the report's tables that do not have a row for each
 * condition. */
#ifndef PS_ANALYSIS_REPORT_REPORT_TABLES_H
#define PS_ANALYSIS_REPORT_REPORT_TABLES_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* Writes the dense models, one row for each, and the SAEs of each condition and control. */
void ps_report_models_table(FILE *out, const ps_results *results);
void ps_report_saes_table(FILE *out, const ps_results *results);
/* Writes the diagnostics and, below them, their rivals. */
void ps_report_diagnostics_table(FILE *out, const ps_results *results);
/* Writes which statistics of a latent predict its survival. Nothing where none was tried. */
void ps_report_predictors_table(FILE *out, const ps_results *results);
/* Writes the headline numbers with their counts of intervals, raw and adjusted. Nothing where there
 * are none. */
void ps_report_families_table(FILE *out, const ps_results *results);
/* Writes in which settings the published study is known to differ from this one. */
void ps_report_reference_setup(FILE *out, const ps_results *results);
/* Writes what the published study reports, one row for each finding. */
void ps_report_reference_table(FILE *out, const ps_results *results);
/* Writes the settings of the study file, one row for each. */
void ps_report_settings_table(FILE *out, const ps_results *results);

#endif
