/* analysis/report/report_script.h: the page's script, which sorts and filters tables. The page says
 * the same without it. */
#ifndef PS_ANALYSIS_REPORT_REPORT_SCRIPT_H
#define PS_ANALYSIS_REPORT_REPORT_SCRIPT_H

#include <stdio.h>

/* Writes a <script> element, for the end of the body. It makes a button of every head of a column:
 * a click sorts the rows of each group by this column, another one turns the order. Tables of more
 * than eight rows get a field above them: rows without its text are hidden. It asks for nothing
 * outside the page. */
void ps_report_script(FILE *out);

#endif
