/* analysis/report/report_style.h: the report's style sheet: one column of text, wide tables that
 * scroll, a light and a dark page. */
#ifndef PS_ANALYSIS_REPORT_REPORT_STYLE_H
#define PS_ANALYSIS_REPORT_REPORT_STYLE_H

#include <stdio.h>

/* Writes the style sheet. */
void ps_report_style(FILE *out);

#endif
