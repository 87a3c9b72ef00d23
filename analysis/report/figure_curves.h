/* analysis/report/figure_curves.h: figures that are not against sparsity: five shares of each
 * condition as a line, the agreement of seeds, the diagnostics.
 *
 * Every function writes a gnuplot script (figure.h), or returns false and writes nothing where what
 * the figure shows was not measured. */
#ifndef PS_ANALYSIS_REPORT_FIGURE_CURVES_H
#define PS_ANALYSIS_REPORT_FIGURE_CURVES_H

#include <stdio.h>

#include "analysis/report/report_data.h"

typedef struct ps_curves_plot {
	const char *name;     /* of the figure */
	ps_results_path list; /* five shares of a condition */
	const char *x, *y;    /* what the axes show */
	bool quintiles;       /* the horizontal axis has quintiles, else thresholds */
} ps_curves_plot;

/* A line for each sparsity, a panel for each model and method. */
bool ps_figure_curves(const ps_curves_plot *plot, const ps_results *results, bool narrow,
		      FILE *out);
/* Survival between dense SAEs of different seeds, against the threshold; a panel for each model. */
bool ps_figure_seeds(const ps_results *results, bool narrow, FILE *out);
/* Spearman of each diagnostic with the change of log perplexity, beside the reference's. */
bool ps_figure_diagnostics(const ps_results *results, bool narrow, FILE *out);

#endif
