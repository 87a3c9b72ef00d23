/* analysis/report/report_features.h: the report's section on single latents: what became of them,
 * condition by condition, with links to the pages of their cards (cards_page.h).
 *
 * features[] of results.json has an entry for each condition and control whose latents were
 * followed. The caller reads the files of cards that the entries name, and hands their pages'
 * names over. */
#ifndef PS_ANALYSIS_REPORT_REPORT_FEATURES_H
#define PS_ANALYSIS_REPORT_REPORT_FEATURES_H

#include <stdio.h>

#include "analysis/report/report_data.h"

/* Of one entry of features[]. */
typedef struct ps_report_feature {
	const char *page; /* the page's name in the folder `features` */
	const char *few;  /* HTML of ps_cards_few_write; NULL: none of its cards are shown here */
} ps_report_feature;

/* Whether the report shows a few cards of the index-th entry: one entry a model, that whose share
 * of kept and shifted latents is nearest to one half, so that there are latents of each kind to
 * see. The first of equals. */
bool ps_report_feature_has_few(const ps_results *results, size_t index);

/* The finding: which share of the latents is kept. */
void ps_finding_features(FILE *out, const ps_results *results, bool brief);
/* The section; nothing where no latents were followed. features: one for each entry, in their
 * order; NULL: no pages of cards were made, and there is no section. */
void ps_report_features_write(FILE *out, const ps_results *results,
			      const ps_report_feature *features);

#endif
