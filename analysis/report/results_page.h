/* analysis/report/results_page.h: writes docs/RESULTS.md from the schema of results.json and the
 * columns of the CSV tables. tools/results_page.c prints it; a test compares it with the file. */
#ifndef PS_ANALYSIS_REPORT_RESULTS_PAGE_H
#define PS_ANALYSIS_REPORT_RESULTS_PAGE_H

#include <stdio.h>

/* Writes the whole page as Markdown. */
void ps_results_page_write(FILE *out);

#endif
