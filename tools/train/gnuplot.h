/* tools/train/gnuplot.h: runs gnuplot on a script, without the user's or the machine's settings. */
#ifndef PS_TOOLS_TRAIN_GNUPLOT_H
#define PS_TOOLS_TRAIN_GNUPLOT_H

#include <stdio.h>

/* script, from where it stands, on standard input; what is drawn to out, what is said to errors: files with descriptors.
 * 0, or why gnuplot could not be run: an errno, or -1 when it says no. */
int ps_gnuplot_run(FILE *script, FILE *out, FILE *errors);

#endif
