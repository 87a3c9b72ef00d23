/* analysis/report/report.h: the page of a study: one HTML file, no network, no scripts, figures inlined.
 *
 * Parts: headline, models, what pruning does to perplexity, RQ1 .. RQ5 (question, definition with its source, finding,
 * figures, table), diagnostics, the reference study, methods, what the study cannot tell. */
#ifndef PS_ANALYSIS_REPORT_REPORT_H
#define PS_ANALYSIS_REPORT_REPORT_H

#include <stdio.h>

#include "analysis/report/report_data.h"

typedef struct ps_report_figure {
	const char *name;    /* as ps_figure_name */
	char *wide, *narrow; /* SVG; NULL: not drawn */
} ps_report_figure;

/* figures (count) in the order of ps_figure_name; missing: why figures could not be drawn, or NULL. */
void ps_report_write(FILE *out, const ps_results *results, const ps_report_figure *figures,
		     size_t count, const char *missing);

#endif
