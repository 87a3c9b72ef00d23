/* analysis/report/cards_page.h: the page of one file of feature cards.
 *
 * It has what the condition is, the counts of the classes, the groups with their rules and cards, a
 * table that sorts and filters where scripts run, and what next. A latent in two groups has its
 * card in the first, and a link in the second. The page needs no network.
 *
 * Its size is bounded by rule. ps_cards_page_write takes a level, from 0 to PS_CARDS_LEVELS - 1.
 * Level 0 shows all contexts of the file, each further level fewer, and says so on the page. Every
 * file that ps_cards_open takes fits into PS_REPORT_PAGE_BYTES at the last level. */
#ifndef PS_ANALYSIS_REPORT_CARDS_PAGE_H
#define PS_ANALYSIS_REPORT_CARDS_PAGE_H

#include <stdio.h>

#include "analysis/report/cards_data.h"

enum { PS_CARDS_LEVELS = 5 };

typedef struct ps_cards_page {
	const ps_cards *cards;
	const char *digest;            /* of the file */
	const char *model, *condition; /* "llama", "wanda-0.5" */
	const char *csv, *json;        /* paths from the study's folder; csv NULL: there is none */
} ps_cards_page;

void ps_cards_page_write(FILE *out, const ps_cards_page *page, size_t level);

/* Writes a few cards for the report: the first of each group, with few contexts. */
void ps_cards_few_write(FILE *out, const ps_cards *cards);

#endif
