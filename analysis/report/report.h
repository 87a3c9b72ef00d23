/* analysis/report/report.h: writes the page of a study: one HTML file with its figures inside,
 * which needs no network. Where scripts run, its tables can be sorted and filtered.
 *
 * Its parts are: headline, models, damage by pruning, RQ1 to RQ5, diagnostics, the reference study,
 * methods, limits, what next. A question has its finding, its definition with the source, figures
 * and a table. */
#ifndef PS_ANALYSIS_REPORT_REPORT_H
#define PS_ANALYSIS_REPORT_REPORT_H

#include <stdio.h>

#include "analysis/report/report_data.h"
#include "analysis/report/report_head.h"

typedef struct ps_report_figure {
	const char *name;    /* of ps_figure_name */
	char *wide, *narrow; /* SVG for a wide and for a narrow window; NULL: not drawn */
} ps_report_figure;

/* digest: of the results. figures (count) in the order of ps_figure_name; missing: why figures
 * could not be drawn, or NULL. */
void ps_report_write(FILE *out, const ps_results *results, const char *digest,
		     const ps_report_figure *figures, size_t count, const char *missing);

#endif
