/* tools/train/gnuplot.h: runs gnuplot on a script. Settings of the user and of the machine are left
 * out. */
#ifndef PS_TOOLS_TRAIN_GNUPLOT_H
#define PS_TOOLS_TRAIN_GNUPLOT_H

#include <stdio.h>

/* Runs gnuplot and waits for it. The script is read from where the file stands. What gnuplot draws
 * goes to out, what it complains of to errors. All three must be files with descriptors. Returns 0,
 * an errno when gnuplot could not be run, or -1 when gnuplot failed. */
int ps_gnuplot_run(FILE *script, FILE *out, FILE *errors);

#endif
