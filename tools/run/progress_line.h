/* tools/run/progress_line.h: what a command says on stderr while it works.
 *
 * On a terminal: at most two lines, which rewrite themselves and are never wider than the terminal.
 *   step 3 of 150: llama/wanda-0.50/train-7, 45s so far, 1m20s left; all 2h05m left
 *   training [######..............] 12.3k/100k tok, 5.2k tok/s; FVU 0.0512
 * The first line is there during a step of a longer work, the second one once a loop has
 * ticked. A command without steps has the second line alone, with the time left. Rate and time
 * left are shown once they are known (tools/run/loops.h says how). A command that is silent says
 * for how long: "working, 5s so far" before its first tick, and "; working, 5s" when a loop has
 * ended or its time left is not known. Finished steps scroll by, one line each.
 *
 * Elsewhere (stderr is no terminal, TERM=dumb, or NO_COLOR is set): whole lines with a time stamp,
 * one for each finished step, and one every 10 s inside a long step or loop.
 *
 * A loop that begins at once and ends within 2 s shows nothing. With --quiet nothing is ever shown.
 * The width is the terminal's own (it follows a resize), else COLUMNS, else 80.
 *
 * The process has one progress line, because stderr is one and signal handlers know no
 * context. A thread redraws it twice a second, so that a step without ticks shows its time as
 * well. Any thread may call any function. */
#ifndef PS_TOOLS_RUN_PROGRESS_LINE_H
#define PS_TOOLS_RUN_PROGRESS_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/progress.h"

/* Starts the progress line and its thread. The callbacks are valid until ps_progress_line_end;
 * stopped is non-zero once SIGINT or SIGTERM asked to stop. Without a thread (the system has
 * none left) ticks alone redraw. */
ps_progress ps_progress_line(bool quiet);
/* Erases the line and ends its thread. One that was not started is allowed. */
void ps_progress_line_end(void);

/* A longer work of several steps, of which this is the one in hand: shown before the loop's
 * own progress. */
typedef struct ps_progress_step {
	const char *name;     /* "llama/wanda-0.50/train-7"; copied */
	size_t number, total; /* step 3 of 150 */
	double seconds;       /* expected of this step; 0: not known */
	double rest_seconds;  /* expected of all steps after it; negative: not known */
} ps_progress_step;

/* Begins a step; the loops before it are forgotten. The time left of the whole is that of the step
 * (ps_step_left in tools/run/loops.h: expected seconds and ticks combined) and rest_seconds. */
void ps_progress_step_begin(const ps_progress_step *step);
/* Ends the step. It scrolls by as a line: number, name, the time it took, and headline ("fvu
 * 0.0512"; NULL: none). A step that failed needs no end. */
void ps_progress_step_end(const char *headline);

/* A line that stands by itself ("waiting for ..."), with a time stamp where plain lines are
 * written. On a terminal it is broken into rows between words. Nothing with --quiet. */
void ps_progress_say(const char *format, ...) PS_PRINTF(1, 2);
/* "prunescope: ", the step's name if one is in hand, and the text: what a command remarks about its
 * work. No time stamp. Nothing with --quiet. */
void ps_progress_remark(const char *text);

/* What the loop's line ends with from now on; copied; NULL: nothing. */
void ps_progress_note(const char *note);

#endif
