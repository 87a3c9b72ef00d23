/* analysis/report/report.h: writes the page of a study: one HTML file with its figures inside,
 * which needs no network. Where scripts run, its tables can be sorted and filtered.
 *
 * Its parts are: headline, models, damage by pruning, RQ1 to RQ5, diagnostics, features one by one,
 * the reference study, methods, limits, what next. A question has its finding, its definition with
 * the source, figures and a table. */
#ifndef PS_ANALYSIS_REPORT_REPORT_H
#define PS_ANALYSIS_REPORT_REPORT_H

#include <stdio.h>

#include "analysis/report/report_data.h"
#include "analysis/report/report_features.h"
#include "analysis/report/report_head.h"

typedef struct ps_report_figure {
	const char *name;    /* of ps_figure_name */
	char *wide, *narrow; /* SVG for a wide and for a narrow window; NULL: not drawn */
} ps_report_figure;

/* What a page is made of, besides the results. */
typedef struct ps_report_parts {
	const char *digest;              /* of the results */
	const ps_report_figure *figures; /* (figure_count), in the order of ps_figure_name */
	size_t figure_count;
	const char *missing;               /* why figures could not be drawn, or NULL */
	const ps_report_feature *features; /* as ps_report_features_write takes them */
} ps_report_parts;

void ps_report_write(FILE *out, const ps_results *results, const ps_report_parts *parts);

#endif
