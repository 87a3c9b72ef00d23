/* analysis/report/figure_sparsity.h: a figure of a number against sparsity: a line for each method,
 * a panel for each model. */
#ifndef PS_ANALYSIS_REPORT_FIGURE_SPARSITY_H
#define PS_ANALYSIS_REPORT_FIGURE_SPARSITY_H

#include <stdio.h>

#include "analysis/report/report_data.h"

typedef struct ps_sparsity_plot {
	const char *name; /* of the figure */
	const char *y;    /* what the vertical axis shows */
	ps_interval (*value)(const json_t *condition);
	ps_results_path hollow; /* a second number, drawn as hollow points; PS_KEY_NONE: none */
	const char *hollow_name;
	ps_results_path retrain; /* the number of a retrain, drawn as a line; PS_KEY_NONE: none */
	double scale;            /* multiplies everything shown */
	bool joined;             /* a line joins a method's points */
	bool share;              /* the vertical axis is 0 to 1 */
	bool is_survival; /* the figure shows the seed floor and survival under another seed */
	bool dense_fvu;   /* the figure shows the FVU on the dense model */
} ps_sparsity_plot;

/* Writes the figure's gnuplot script (figure.h). Returns false, and writes nothing, where no
 * condition has the number. */
bool ps_figure_against_sparsity(const ps_sparsity_plot *plot, const ps_results *results,
				bool narrow, FILE *out);

/* True if the models' numbers lie so far apart that each panel has a vertical axis of its own. */
bool ps_figure_own_axes(const ps_sparsity_plot *plot, const ps_results *results);

#endif
