/* analysis/report/figure.h: the report's figures as gnuplot scripts with their data in them.
 *
 *   perplexity      change of log perplexity against sparsity
 *   seeds           survival between SAEs of different seeds, against tau
 *   survival        MNN survival against sparsity, with the seed floor
 *   tau             MNN survival against tau
 *   jaccard         fixed-dictionary Jaccard against sparsity
 *   fvu             fixed-dictionary FVU against sparsity
 *   fragility       survival by quintile of firing
 *   ablation        effect of ablating survivors less that of ablating the lost
 *   ablation_means  the two effects themselves
 *   diagnostics     Spearman of each diagnostic with the change of log perplexity
 *
 * A script needs gnuplot 5.2. It writes one SVG to its standard output: the same bytes from the
 * same results and the same gnuplot. A wide figure has its panels side by side. A narrow one has
 * them one below the other, legible at the width of a phone. */
#ifndef PS_ANALYSIS_REPORT_FIGURE_H
#define PS_ANALYSIS_REPORT_FIGURE_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* The name of the index-th figure; NULL beyond the last. */
const char *ps_figure_name(size_t index);
/* Writes the script of the index-th figure. Returns false, and writes nothing, where none of what
 * it shows was measured. */
bool ps_figure_script(size_t index, const ps_results *results, bool narrow, FILE *out);
/* Writes, as plain text, what a figure shows and how to read it. */
void ps_figure_caption(const char *name, const ps_results *results, FILE *out);

#endif
