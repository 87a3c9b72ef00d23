/* analysis/report/report_sections.h: the questions of a report: words, figures and tables of
 * each. */
#ifndef PS_ANALYSIS_REPORT_REPORT_SECTIONS_H
#define PS_ANALYSIS_REPORT_REPORT_SECTIONS_H

#include <stdio.h>

#include "analysis/report/report_data.h"

typedef struct ps_section {
	const char *id, *label, *title, *question;
	const char *definition; /* HTML */
	const char *figures[3]; /* by name, NULL-ended */
	void (*finding)(FILE *out, const ps_results *results, bool brief);
	void (*table)(FILE *out, const ps_results *results);
} ps_section;

/* The index-th section: perplexity, RQ1 to RQ5, diagnostics. NULL beyond the last. */
const ps_section *ps_report_section(size_t index);

#endif
