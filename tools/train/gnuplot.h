/* tools/train/gnuplot.h: has gnuplot draw a script.
 *
 * Script, drawing and complaints go through pipes: no file is made, and no shell is called.
 * Settings of the user and of the machine are left out. SIGPIPE must be ignored
 * (tools/run/signals.h). */
#ifndef PS_TOOLS_TRAIN_GNUPLOT_H
#define PS_TOOLS_TRAIN_GNUPLOT_H

#include <stddef.h>

#include "core/base/progress.h"

#define PS_DRAWING_BYTES_MAX ((size_t)64 << 20)

/* Of ps_gnuplot_draw: there is no gnuplot on this machine. It is no failure. */
enum { PS_GNUPLOT_MISSING = 1 };

/* Runs gnuplot on a script (bytes) and takes what it draws: *drawing (*length) is malloc'ed, with a
 * NUL behind it. Returns 0, PS_GNUPLOT_MISSING, or a negative code:
 * - PS_EFAILED: gnuplot failed, was killed, drew nothing or too much. The message has the first
 *   lines of its complaint.
 * - PS_EINTERRUPTED: the user asked to stop. gnuplot is gone by then.
 * - PS_EBUDGET, or -errno of a system call. */
int ps_gnuplot_draw(const char *script, size_t bytes, const ps_context *context, char **drawing,
		    size_t *length) PS_MUST_USE;

#endif
