/* analysis/report/report_next.h: what to do after reading: commands for this study. */
#ifndef PS_ANALYSIS_REPORT_REPORT_NEXT_H
#define PS_ANALYSIS_REPORT_REPORT_NEXT_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* Writes the section: what the study lacks, and commands on its last condition. STUDY.yaml and DIR
 * stand for the study file and the study's folder. Nothing where no condition was measured. */
void ps_report_next(FILE *out, const ps_results *results);

#endif
