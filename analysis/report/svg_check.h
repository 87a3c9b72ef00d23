/* analysis/report/svg_check.h: whether an SVG may stand in a report.
 *
 * It must be well-formed XML 1.0 in UTF-8 with one <svg> element of SVG's name space, it must draw
 * something, and it must draw only:
 * - Elements are those of shapes, text and paint. There are no scripts, links, pictures, animations
 *   or foreign contents.
 * - No attribute handles an event (on...). href, src and url() lead to parts of the same file.
 * - There are no document type, processing instructions, CDATA sections or entities other than
 *   XML's five and numbers. So nothing can be defined that hides what it means.
 * A page can then contain it, and a browser that opens it runs and fetches nothing. */
#ifndef PS_ANALYSIS_REPORT_SVG_CHECK_H
#define PS_ANALYSIS_REPORT_SVG_CHECK_H

#include <stddef.h>

#include "core/base/error.h"

/* PS_EFAILED naming the line and what is wrong. svg (length) needs no NUL at its end. */
int ps_svg_check(const char *svg, size_t length, ps_diag *diag) PS_MUST_USE;

/* Replaces "]]>", which gnuplot leaves in a text and XML forbids there. *svg (*length) is malloc'ed
 * with a NUL behind it, before and after. PS_EBUDGET: *svg is as it was. */
int ps_svg_mend(char **svg, size_t *length, ps_diag *diag) PS_MUST_USE;

#endif
