/* analysis/report/report_html.h: the page's parts: escaped text, numbers, intervals, tables, figures.
 *
 * Numbers have a real minus sign, groups of three from 10,000 on, and an en dash where nothing was measured. A table
 * of conditions is described by its columns; rows are grouped by model, cells carry figures of equal digits. */
#ifndef PS_ANALYSIS_REPORT_REPORT_HTML_H
#define PS_ANALYSIS_REPORT_REPORT_HTML_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* & < > " ' escaped; control characters become spaces. */
void ps_html_text(FILE *out, const char *text);
/* decimals digits after the point, fewer for large numbers: 0.123, 12.35, 123.5, 12,346. */
void ps_html_number(FILE *out, double value, int decimals);
/* "estimate [low, high]" */
void ps_html_interval(FILE *out, ps_interval interval, int decimals);

typedef enum ps_column_kind {
	PS_COLUMN_END,
	PS_COLUMN_NUMBER,
	PS_COLUMN_INTERVAL,
	PS_COLUMN_VALUE_INTERVAL, /* the number at path, the ends of path_interval */
	PS_COLUMN_OTHER_SEED,
	PS_COLUMN_REFERENCE_CHANGE,
	PS_COLUMN_ACHIEVED_RANGE, /* least and largest over kinds of projection, percent */
} ps_column_kind;

typedef struct ps_column {
	const char *head; /* HTML */
	ps_column_kind kind;
	const char *path;
	int decimals;
	double scale; /* 0: 1 */
	bool if_any;  /* left out when no condition has it */
} ps_column;

/* A row per condition: method and label, then the columns (ended by PS_COLUMN_END). */
void ps_html_conditions(FILE *out, const ps_results *results, const ps_column *columns,
			const char *caption);

/* A table within a figure, which carries the caption and scrolls; the caller writes head and body. */
void ps_html_table_begin(FILE *out, const char *caption);
void ps_html_table_end(FILE *out);
/* One <th scope="col">; number: right-aligned. */
void ps_html_head(FILE *out, const char *html, bool number);
void ps_html_cell_number(FILE *out, double value, int decimals);
void ps_html_cell_interval(FILE *out, ps_interval interval, int decimals);

/* gnuplot's SVG as part of a page: no prologue, no fixed size, its ids led by prefix, label for who cannot see it. */
void ps_html_svg(FILE *out, const char *svg, const char *prefix, const char *label);

#endif
