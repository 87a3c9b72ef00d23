/* analysis/report/cards_token.h: writes the text of a token into a page so that all of it is seen.
 *
 * A token is a piece of text that may hold anything: markup, control characters, marks that turn
 * the direction of the text around it. Markup is escaped. What a reader could not see stands as a
 * sign or as its number: U+240A for a line feed, <U+202E> for a mark of direction,
 * <> for no text at all. In a
 * token that is nothing but spaces they stand as U+2423. */
#ifndef PS_ANALYSIS_REPORT_CARDS_TOKEN_H
#define PS_ANALYSIS_REPORT_CARDS_TOKEN_H

#include <stdio.h>

/* A longer text is cut, and ends in "...". */
enum { PS_TOKEN_CHARACTERS = 32 };

/* text is UTF-8. */
void ps_html_token(FILE *out, const char *text);

#endif
