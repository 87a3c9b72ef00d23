/* analysis/report/figure.h: the report's figures as gnuplot scripts with their data in them.
 *
 *   perplexity  change of log perplexity against sparsity      seeds     survival between seeds against tau
 *   survival    MNN survival against sparsity, seed floor       tau       survival against tau
 *   jaccard     fixed-dictionary Jaccard against sparsity       fvu       fixed-dictionary FVU against sparsity
 *   fragility   survival by firing quintile                     ablation  effect of ablating survivors and lost
 *   diagnostics Spearman of each with the change of log perplexity
 *
 * A script needs gnuplot 5.2 and writes one SVG to its standard output: the same bytes from the
 * same results and gnuplot. wide: panels side by side; narrow: one below the other, legible at the
 * width of a phone. */
#ifndef PS_ANALYSIS_REPORT_FIGURE_H
#define PS_ANALYSIS_REPORT_FIGURE_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* NULL beyond the last. */
const char *ps_figure_name(size_t index);
/* False, and nothing written, where none of what it shows was measured. */
bool ps_figure_script(size_t index, const ps_results *results, bool narrow, FILE *out);
/* Plain text of what is to be seen and how it is to be read. */
void ps_figure_caption(const char *name, const ps_results *results, FILE *out);

#endif
