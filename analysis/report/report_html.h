/* analysis/report/report_html.h: writes the parts of an HTML page: text, numbers, tables, figures.
 *
 * Numbers have a real minus sign and, from 10,000 on, digits in groups of three. An en dash stands
 * where nothing was measured. A table of conditions is described by its columns; its rows are
 * grouped by model. */
#ifndef PS_ANALYSIS_REPORT_REPORT_HTML_H
#define PS_ANALYSIS_REPORT_REPORT_HTML_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* Writes text with & < > " ' escaped and control characters turned into spaces. */
void ps_html_text(FILE *out, const char *text);
/* Writes the address of a file for an attribute: up, then the path, each byte that is not plain as
 * %XX. up: "" or "../". A path is never taken for another scheme. */
void ps_html_href(FILE *out, const char *up, const char *path);
/* Writes a number with `decimals` digits after the point, fewer where it is large: 0.123, 12.35,
 * 12,346. A number that is not finite was not measured. */
void ps_html_number(FILE *out, double value, int decimals);
/* Whether ps_html_number writes both alike. */
bool ps_html_alike(double a, double b, int decimals);
/* Writes "estimate [low, high]". Without an interval the reason stands in its place: "estimate (too
 * few)". */
void ps_html_interval(FILE *out, ps_interval interval, int decimals);

typedef enum ps_column_kind {
	PS_COLUMN_END,
	PS_COLUMN_NUMBER,
	PS_COLUMN_INTERVAL,
	PS_COLUMN_VALUE_INTERVAL, /* the number at `path`, the ends of the interval at `ends` */
	PS_COLUMN_LIST_MEAN,      /* mean of the number at `ends` over the list at `path` */
	PS_COLUMN_LIST_RANGE,     /* its least and largest, where the list has two or more */
	PS_COLUMN_LIST_SIZE,      /* entries of the list at `path` */
	PS_COLUMN_ACHIEVED_RANGE, /* least and largest over the kinds of projection, in percent */
} ps_column_kind;

typedef struct ps_column {
	const char *head; /* HTML */
	ps_column_kind kind;
	ps_results_path path, ends;
	int decimals;
	double scale; /* multiplies what is shown; 0: 1 */
	bool if_any;  /* the column is left out where no condition has the number */
} ps_column;

/* Writes a table with a row for each condition, and for each control that has one of the columns'
 * numbers: name, then the columns. PS_COLUMN_END ends the columns. caption and csv are those of
 * ps_html_table_begin. */
void ps_html_conditions(FILE *out, const ps_results *results, const ps_column *columns,
			const char *caption, const char *csv);

/* Begin and end a table with a caption (HTML), which scrolls sideways where it is too wide. The
 * caller writes its head and body in between. csv: name of the CSV table with the same numbers
 * (report_csv.h), to which the caption links; NULL: there is none. */
void ps_html_table_begin(FILE *out, const char *caption, const char *csv);
/* Begins a table whose rows become cards on a phone. Its cells begin with ps_html_cell_begin. */
void ps_html_cards_begin(FILE *out, const char *caption, const char *csv);
/* Begins a cell that repeats the head of its column where the table's head cannot be seen. */
void ps_html_cell_begin(FILE *out, const char *head);
void ps_html_table_end(FILE *out);
/* Writes the head of a column; number: aligned to the right. */
void ps_html_head(FILE *out, const char *html, bool number);
/* Write one cell, as ps_html_number and ps_html_interval do. */
void ps_html_cell_number(FILE *out, double value, int decimals);
void ps_html_cell_interval(FILE *out, ps_interval interval, int decimals);
/* Writes a number of the reference study, with all digits that are given there, and at least
 * `decimals` after the point. A range has no estimate: "low to high". */
void ps_html_reference(FILE *out, ps_interval given, int decimals);

/* Writes gnuplot's SVG as a part of the page: without prologue and fixed size, with prefix before
 * each of its ids. label is read out to those who cannot see the figure. */
void ps_html_svg(FILE *out, const char *svg, const char *prefix, const char *label);

#endif
