/* analysis/report/cards_table.h: the table of latents on a page of feature cards. */
#ifndef PS_ANALYSIS_REPORT_CARDS_TABLE_H
#define PS_ANALYSIS_REPORT_CARDS_TABLE_H

#include <stdio.h>

#include "analysis/report/cards_data.h"

/* Writes a section with a row for each row of the file's table. A latent with a card has a link to
 * it. csv: path of the whole table from the study's folder, NULL: there is none. */
void ps_cards_table_write(FILE *out, const ps_cards *cards, const char *csv);

#endif
