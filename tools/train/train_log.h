/* tools/train/train_log.h: the course of a training run, step by step.
 *
 * PREFIX.csv and PREFIX.jsonl get a line at the end of each of about 1,000 equal stretches of the
 * run (fewer for a short run). A line holds step, tokens, lr, loss, fvu, l0, dead_fraction,
 * tokens_per_s (since the line before) and, where it was measured, held_out_fvu. PREFIX.svg shows
 * them as curves; it is drawn at the end, where gnuplot is installed.
 *
 * A resumed run drops the lines of the steps that it does again. The files lie outside the SAE's
 * folder: the bytes of that folder depend on the inputs alone, and a rate does not. */
#ifndef PS_TOOLS_TRAIN_TRAIN_LOG_H
#define PS_TOOLS_TRAIN_TRAIN_LOG_H

#include <stdio.h>

#include "sae/train.h"
#include "tools/run/lists.h"

typedef struct ps_train_log {
	FILE *csv, *jsonl; /* NULL: no log was asked for */
	char prefix[4096];
	uint64_t every;  /* steps between lines */
	uint64_t tokens; /* at the last line */
	double seconds;  /* of the clock, at the last line */
} ps_train_log;

/* Checks what stands under the names of the log's files (tools/run/output_path.h): PS_EUSAGE for an
 * input, or for a file that is no log, unless it may be replaced. */
int ps_train_log_check(const char *prefix, const ps_text_list *inputs, bool replace,
		       ps_diag *diag) PS_MUST_USE;
/* Opens the files for appending behind step `done` of `steps`. prefix NULL: there is no log, and
 * the other functions do nothing. -errno naming the file that cannot be written. */
int ps_train_log_open(ps_train_log *log, const char *prefix, uint64_t done, uint64_t steps,
		      ps_diag *diag) PS_MUST_USE;
/* Whether the step ends a stretch, so that ps_train_log_add will write a line. */
bool ps_train_log_takes(const ps_train_log *log, uint64_t step);
/* Called after every step. held_out_fvu: NaN where it was not measured. seconds: of a monotonic
 * clock. */
int ps_train_log_add(ps_train_log *log, const ps_train_step *step, double held_out_fvu,
		     double seconds, ps_diag *diag) PS_MUST_USE;
/* Draws the curves, if there is a log. *drawn is false when gnuplot could not draw them, which is
 * no failure; *why says it, and the curves of an earlier log go. PS_EINTERRUPTED: the user asked to
 * stop. */
int ps_train_log_draw(ps_train_log *log, const ps_context *context, bool *drawn,
		      ps_diag *why) PS_MUST_USE;
void ps_train_log_close(ps_train_log *log); /* a zeroed one is allowed */

#endif
