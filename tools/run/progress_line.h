/* tools/run/progress_line.h: the user's view of a long loop, and the request to stop.
 *
 * On a terminal one line that rewrites itself (bar, rate, time left); elsewhere a plain line every 10 s.
 * Nothing is shown for what ends within 2 s. NO_COLOR, TERM=dumb and --quiet are honoured. */
#ifndef PS_TOOLS_RUN_PROGRESS_LINE_H
#define PS_TOOLS_RUN_PROGRESS_LINE_H

#include <stdbool.h>

#include "core/base/progress.h"

/* The process's one progress line (signals know no context). */
ps_progress ps_progress_line(bool quiet);
void ps_progress_stage(const char *stage); /* copied; NULL: none */
/* What the line ends with from now on; copied; NULL: nothing. */
void ps_progress_note(const char *note);
/* Ends the line that is being rewritten, so that other output starts on its own. */
void ps_progress_clear(void);

/* SIGINT and SIGTERM ask to stop (a second one ends at once); SIGBUS in a mapped file: exit 3 naming it. */
void ps_signals_install(void);

#endif
