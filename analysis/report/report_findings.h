/* analysis/report/report_findings.h: writes what the numbers show, as sentences of HTML.
 *
 * A sentence says what was measured, over how many conditions, and how many 95 % intervals leave
 * zero out. Where an interval includes zero it says that no difference is shown, never that there
 * is none. Of what was not measured it says only that.
 *
 * Every function writes the first sentence only where `brief` is set: the headline's list does. */
#ifndef PS_ANALYSIS_REPORT_REPORT_FINDINGS_H
#define PS_ANALYSIS_REPORT_REPORT_FINDINGS_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* Change of log perplexity, and Wanda against magnitude. */
void ps_finding_perplexity(FILE *out, const ps_results *results, bool brief);
/* RQ1: agreement of dense SAEs that differ in their seed. */
void ps_finding_seeds(FILE *out, const ps_results *results, bool brief);
/* RQ2: survival, and which part of it a shared start may explain. */
void ps_finding_survival(FILE *out, const ps_results *results, bool brief);
/* RQ3: the frozen dense SAE on the pruned models. */
void ps_finding_transfer(FILE *out, const ps_results *results, bool brief);
/* RQ4: survival of rare and of frequent latents. */
void ps_finding_fragility(FILE *out, const ps_results *results, bool brief);
/* RQ5: effect of ablating survivors and of ablating the lost. */
void ps_finding_ablation(FILE *out, const ps_results *results, bool brief);
/* Which measure follows the change of log perplexity most closely. */
void ps_finding_diagnostics(FILE *out, const ps_results *results, bool brief);

#endif
