/* tools/engine/meter.h: one progress bar for a command's whole work, whatever the modules below it
 * tick.
 *
 * A command runs many loops one after the other: layers, the output head, an SAE. Each of them
 * ticks from 0 to its own total. A meter stands between them and the progress line. The command
 * says how much work it has in all, and how much the stage has that begins now; a tick of done out
 * of total then moves the bar by that share of the stage.
 *
 * 	ps_meter_begin(&meter, &session->context,
 * 		       &(ps_meter_plan){"perplexity", "tok", tokens, work});
 * 	ps_meter_stage(&meter, ps_layers_work(config, 0, last, window, tokens));
 * 	... ps_forward_layers ...
 * 	ps_meter_stage(&meter, ps_head_work(config, tokens));
 * 	... ps_head_nll ...
 * 	ps_meter_end(&meter);
 *
 * Work is counted in multiply-adds. It is an estimate that moves a bar; no result depends on it. */
#ifndef PS_TOOLS_ENGINE_METER_H
#define PS_TOOLS_ENGINE_METER_H

#include "core/base/progress.h"
#include "core/model/config.h"

typedef struct ps_meter_plan {
	const char *what, *unit; /* static text: what the bar says */
	uint64_t units;          /* the bar's end */
	double work;             /* multiply-adds behind all of them */
} ps_meter_plan;

typedef struct ps_meter {
	ps_meter_plan plan;
	ps_progress progress;     /* what the modules tick */
	const ps_progress *outer; /* the progress line; NULL: silent */
	ps_context *context;
	double done, stage; /* work of the stages that are over; of the one under way */
} ps_meter;

/* Takes the place of context->progress until ps_meter_end. The meter must stay where it is. */
void ps_meter_begin(ps_meter *meter, ps_context *context, const ps_meter_plan *plan);
/* The stage before is over; one of so much work begins. */
void ps_meter_stage(ps_meter *meter, double work);
/* Gives the context its own progress back. A meter that never began is allowed (all zero). */
void ps_meter_end(ps_meter *meter);

/* Multiply-adds of so many tokens, in windows of `window`, through layers first to last. */
double ps_layers_work(const ps_model_config *config, int first, int last, size_t window,
		      double tokens);
/* Multiply-adds of so many rows through the output head. */
double ps_head_work(const ps_model_config *config, double rows);

#endif
