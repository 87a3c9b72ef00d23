/* tools/train/train_log.h: the course of a training run, beside its result.
 *
 * PREFIX.csv and PREFIX.jsonl: a line of step, tokens, lr, loss, fvu, l0, dead_fraction, tokens_per_s (since the line
 * before) and, where it was measured, held_out_fvu for each of at most about 1,000 equal stretches of the run;
 * PREFIX.svg: their curves, drawn at the end where gnuplot is installed. A resumed run drops the lines of steps that are
 * done again and goes on. The files lie outside the SAE's folder, whose bytes depend on nothing but its inputs: rates do. */
#ifndef PS_TOOLS_TRAIN_TRAIN_LOG_H
#define PS_TOOLS_TRAIN_TRAIN_LOG_H

#include <stdio.h>

#include "sae/train.h"

typedef struct ps_train_log {
	FILE *csv, *jsonl; /* NULL: nobody asked for it */
	char prefix[4096];
	uint64_t every;  /* steps between lines */
	uint64_t tokens; /* at the last line */
	double seconds;  /* then */
} ps_train_log;

/* prefix NULL: no log. done: steps that a resumed run has behind it, of steps in all. PS_EIO naming the file. */
int ps_train_log_open(ps_train_log *log, const char *prefix, uint64_t done, uint64_t steps,
		      ps_diag *diag) PS_MUST_USE;
/* Whether the step ends a stretch. */
bool ps_train_log_takes(const ps_train_log *log, uint64_t step);
/* After every step; held_out_fvu: NaN where it was not measured; seconds: of a monotonic clock. */
int ps_train_log_add(ps_train_log *log, const ps_train_step *step, double held_out_fvu,
		     double seconds, ps_diag *diag) PS_MUST_USE;
/* Draws the curves; *drawn false where gnuplot is missing. */
int ps_train_log_draw(ps_train_log *log, bool *drawn, ps_diag *diag) PS_MUST_USE;
void ps_train_log_close(ps_train_log *log);

#endif
