/* analysis/report/report_sections.h: the questions of a report: words, figures and tables of
 * each. */
#ifndef PS_ANALYSIS_REPORT_REPORT_SECTIONS_H
#define PS_ANALYSIS_REPORT_REPORT_SECTIONS_H

#include <stdio.h>

#include "analysis/report/report_data.h"

typedef struct ps_section {
	const char *id;    /* of the HTML element */
	const char *label; /* in the headline's list */
	const char *title, *question;
	const char *definition; /* HTML: what is measured, and its source */
	const char *figures[3]; /* names of ps_figure_name; NULL ends them */
	void (*finding)(FILE *out, const ps_results *results, bool brief); /* report_findings.h */
	void (*table)(FILE *out, const ps_results *results);
} ps_section;

/* The index-th section: perplexity, RQ1 to RQ5, diagnostics. NULL beyond the last. */
const ps_section *ps_report_section(size_t index);

#endif
