/* analysis/report/report_findings.h: what the numbers show, as sentences of HTML.
 *
 * A sentence says what was measured, over how many conditions, and how many 95 % intervals leave zero out; where an
 * interval includes zero it says that no difference is shown, never that there is none. Nothing is said of what was
 * not measured, but that. brief: the first sentence only, for the headline. */
#ifndef PS_ANALYSIS_REPORT_REPORT_FINDINGS_H
#define PS_ANALYSIS_REPORT_REPORT_FINDINGS_H

#include <stdio.h>

#include "analysis/report/report_data.h"

typedef struct ps_tally {
	size_t count, above, below; /* intervals measured; of these above zero, below zero */
} ps_tally;
/* Of the intervals at path over an array. */
ps_tally ps_tally_intervals(const json_t *array, const char *path);

void ps_finding_perplexity(FILE *out, const ps_results *results, bool brief);
void ps_finding_seeds(FILE *out, const ps_results *results, bool brief);
void ps_finding_survival(FILE *out, const ps_results *results, bool brief);
void ps_finding_transfer(FILE *out, const ps_results *results, bool brief);
void ps_finding_fragility(FILE *out, const ps_results *results, bool brief);
void ps_finding_ablation(FILE *out, const ps_results *results, bool brief);
void ps_finding_diagnostics(FILE *out, const ps_results *results, bool brief);

#endif
