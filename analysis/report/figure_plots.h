/* analysis/report/figure_plots.h: the kinds of figure behind analysis/report/figure.h; each returns false when it has no data. */
#ifndef PS_ANALYSIS_REPORT_FIGURE_PLOTS_H
#define PS_ANALYSIS_REPORT_FIGURE_PLOTS_H

#include "analysis/report/figure_canvas.h"
#include "analysis/report/report_data.h"

/* figure_sparsity.c: a number against sparsity, a line per method, a panel per model. */
typedef struct ps_sparsity_plot {
	const char *name, *y;
	ps_interval (*value)(const ps_results *results, const json_t *condition);
	double (*hollow)(
		const ps_results *results,
		const json_t *condition); /* a second figure, as hollow points; NULL: none */
	const char *hollow_name;
	double scale;     /* multiplies everything shown */
	bool joined;      /* a line through a method's points */
	bool share;       /* the axis is 0 .. 1 */
	bool is_survival; /* with the seed floor and survival under another seed */
	bool dense_fvu;   /* with the dense model's own */
} ps_sparsity_plot;
bool ps_figure_against_sparsity(const ps_sparsity_plot *plot, const ps_results *results,
				bool narrow, FILE *out);
/* The models' figures lie so far apart that each panel has an axis of its own. */
bool ps_figure_own_axes(const ps_sparsity_plot *plot, const ps_results *results);

/* figure_curves.c: five shares per condition, a line per sparsity, a panel per model and method. */
typedef struct ps_curves_plot {
	const char *name, *path, *x, *y;
	bool quintiles; /* x: quintiles; else taus */
} ps_curves_plot;
bool ps_figure_curves(const ps_curves_plot *plot, const ps_results *results, bool narrow,
		      FILE *out);
bool ps_figure_seeds(const ps_results *results, bool narrow, FILE *out);
bool ps_figure_diagnostics(const ps_results *results, bool narrow, FILE *out);

#endif
