/* analysis/report/report_head.h: how every page of a report begins. */
#ifndef PS_ANALYSIS_REPORT_REPORT_HEAD_H
#define PS_ANALYSIS_REPORT_REPORT_HEAD_H

#include <stdbool.h>
#include <stdio.h>

/* Stands near the beginning of every page. */
#define PS_REPORT_GENERATOR "<meta name=\"generator\" content=\"prunescope\">"
/* A page is at most this large: it loads at once, and an e-mail takes it. */
#define PS_REPORT_PAGE_BYTES ((size_t)2000000)

/* Writes all that stands before the page's text: head, style sheet, the open <main>. The
 * title is "title, second"; second may be NULL. digest: of
 * what the page was made from; of: "results" or "cards", the name under which it stands. */
void ps_report_head(FILE *out, const char *title, const char *second, const char *of,
		    const char *digest);

/* Explains the words of the field, for readers who meet them on this page first. study: also those
 * of pruning and its controls. */
void ps_report_words(FILE *out, bool study);

#endif
