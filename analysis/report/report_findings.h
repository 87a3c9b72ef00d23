/* analysis/report/report_findings.h: what the numbers of a study show, in words.
 *
 * The first sentence of each question gives size of the effect, interval, control and n. An effect
 * over several conditions is a range of points with the number of intervals that leave zero out,
 * before and after Holm's adjustment. Where there is no interval the sentence says why. A control
 * that the study does not have is named as missing. Of what was not measured a sentence says only
 * that. That a difference is "not shown" is said once, by ps_finding_counts.
 *
 * Every function writes the first sentence only where `brief` is set: the summary does. */
#ifndef PS_ANALYSIS_REPORT_REPORT_FINDINGS_H
#define PS_ANALYSIS_REPORT_REPORT_FINDINGS_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* How to read the counts of the other sentences, and what an interval with zero in it means. */
void ps_finding_counts(FILE *out, const ps_results *results);
/* Change of log perplexity, and Wanda against magnitude. */
void ps_finding_perplexity(FILE *out, const ps_results *results, bool brief);
/* RQ1: agreement of dense SAEs that differ in their seed. */
void ps_finding_seeds(FILE *out, const ps_results *results, bool brief);
/* RQ2: survival beside the retrain, the other seed and the own start. */
void ps_finding_survival(FILE *out, const ps_results *results, bool brief);
/* RQ3: the frozen dense SAE on the pruned models. */
void ps_finding_transfer(FILE *out, const ps_results *results, bool brief);
/* RQ4: survival of rare and of frequent latents, beside the retrain's. */
void ps_finding_fragility(FILE *out, const ps_results *results, bool brief);
/* RQ5: effect of ablating survivors and of ablating the lost, beside the retrain's. */
void ps_finding_ablation(FILE *out, const ps_results *results, bool brief);
/* Which measure follows the change of log perplexity, beside the sparsity itself. */
void ps_finding_diagnostics(FILE *out, const ps_results *results, bool brief);

#endif
