/* tools/cmd/report_cards.h: reads the files of cards that results.json names, and makes their
 * pages for `report`. */
#ifndef PS_TOOLS_CMD_REPORT_CARDS_H
#define PS_TOOLS_CMD_REPORT_CARDS_H

#include "analysis/report/report_data.h"
#include "core/base/arena.h"
#include "tools/run/session.h"

enum { PS_PAGE_NAME_BYTES = 256 };

/* What is made of one entry of features[]. */
typedef struct ps_report_cards {
	char name[PS_PAGE_NAME_BYTES]; /* of the page, in the folder `features` */
	char *page;                    /* (bytes); for free */
	size_t bytes;
	char *few; /* a few cards for report.html; NULL: it shows none of these; for free */
} ps_report_cards;

/* Makes the page of the index-th entry, at most PS_REPORT_PAGE_BYTES long: it shows as many
 * contexts as fit (analysis/report/cards_page.h). PS_EINPUT: the file of cards is missing, damaged,
 * none of cards, or another one than results.json counts. PS_EBUDGET: it does not fit into
 * --memory. */
int ps_report_cards_make(ps_session *session, const char *folder, const ps_results *results,
			 size_t index, ps_report_cards *out) PS_MUST_USE;
/* Adds what such a file of so many bytes takes, with its page. */
void ps_report_cards_plan(ps_plan *plan, size_t bytes);
void ps_report_cards_free(ps_report_cards *cards); /* a zeroed one is allowed */

#endif
