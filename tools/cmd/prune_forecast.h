/* tools/cmd/prune_forecast.h: `prune --dry-run`: what a mask would take
 * (tools/engine/forecast.h). */
#ifndef PS_TOOLS_CMD_PRUNE_FORECAST_H
#define PS_TOOLS_CMD_PRUNE_FORECAST_H

#include "tools/cmd/prune_run.h"
#include "tools/engine/forecast.h"

/* Adds `count` masks of all layers to a forecast that has begun. */
int ps_prune_forecast_masks(ps_forecast *forecast, ps_prune_inputs *in, const ps_prune_plan *plan,
			    size_t count) PS_MUST_USE;

/* Times the pruning of the first layer, and Wanda's statistics on a sample of the tokens; says what
 * `count` masks like this one would take in one go. The inputs are open, and the engine is not
 * started. *result: a new object. */
int ps_prune_forecast(ps_prune_inputs *in, const ps_prune_target *target, size_t count,
		      json_t **result) PS_MUST_USE;

#endif
