#include "tools/engine/meter.h"

#include <math.h>

#include "core/model/weights.h"

/* share: of the stage under way, 0 to 1. */
static void show(const ps_meter *meter, double share)
{
	const ps_meter_plan *plan = &meter->plan;
	const double part = (meter->done + share * meter->stage) / plan->work;

	meter->outer->tick(meter->outer->self, plan->what, plan->unit,
			   (uint64_t)(fmin(part, 1) * (double)plan->units), plan->units);
}

static void tick(void *self, const char *what, const char *unit, uint64_t done, uint64_t total)
{
	const ps_meter *meter = self;

	(void)what, (void)unit;
	if (total)
		show(meter, fmin((double)done / (double)total, 1));
}

static int stopped(void *self)
{
	const ps_meter *meter = self;

	return meter->outer->stopped(meter->outer->self);
}

void ps_meter_begin(ps_meter *meter, ps_context *context, const ps_meter_plan *plan)
{
	*meter = (ps_meter){.plan = *plan, .outer = context->progress, .context = context};
	if (!meter->outer)
		return;
	meter->progress = (ps_progress){.self = meter, .tick = tick, .stopped = stopped};
	context->progress = &meter->progress;
	show(meter, 0);
}

void ps_meter_stage(ps_meter *meter, double work)
{
	meter->done += meter->stage;
	meter->stage = work;
	if (meter->outer)
		show(meter, 0);
}

void ps_meter_end(ps_meter *meter)
{
	if (meter->outer)
		meter->context->progress = meter->outer;
	meter->outer = NULL;
}

double ps_layers_work(const ps_model_config *config, int first, int last, size_t window,
		      double tokens)
{
	/* Each query meets half of the window's keys on average: once for the scores, once for the
	 * values. */
	double layer = (double)(config->heads * config->head_width) * (double)window;
	size_t rows, cols;

	for (int p = 0; p < (int)PS_PROJECTIONS; p++) {
		ps_projection_shape(config, (ps_projection)p, &rows, &cols);
		layer += (double)rows * (double)cols;
	}
	return last < first ? 0 : layer * tokens * (double)(last - first + 1);
}

double ps_head_work(const ps_model_config *config, double rows)
{
	return rows * (double)config->width * (double)config->vocab;
}
