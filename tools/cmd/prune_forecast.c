#include "tools/cmd/prune_forecast.h"

#include "tools/engine/forecast.h"

/* Gives the statistics to prune with: those of the file, or of the sample while that is timed. */
static int add_statistics(ps_forecast *f, ps_prune_inputs *in, const ps_prune_plan *plan,
			  ps_wanda_stats *stats)
{
	const double tokens = in->tokens ? (double)(in->tokens->windows * in->tokens->window) : 0;
	int rc;

	if (in->stats) {
		ps_prune_read_stats(in, stats);
		return 0;
	}
	ps_wanda_stats_create(stats, in->engine.config, &in->engine.arena);
	rc = ps_forecast_observed(f, tokens, plan->calibration == PS_CALIBRATION_DENSE, stats);
	if (!rc && plan->calibration == PS_CALIBRATION_SEQUENTIAL)
		rc = ps_forecast_layers(f, 0, (int)in->engine.config->layers - 2, tokens, 1, 0);
	return rc;
}

int ps_prune_forecast(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_engine_need *need,
		      const char *out, json_t **result)
{
	const bool wanda = plan->method == PS_PRUNE_WANDA;
	ps_wanda_stats stats;
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &in->engine, need, in->tokens ? in->tokens->ids : NULL,
				   in->tokens ? need->tokens : 0);

	if (!rc && wanda)
		rc = add_statistics(&f, in, plan, &stats);
	if (!rc)
		rc = ps_forecast_masks(&f, &plan->options, wanda ? &stats : NULL);
	if (rc)
		return rc;
	ps_forecast_write(&f, out, ps_mask_data_bytes(in->engine.config), 1);
	return ps_forecast_end(&f, result);
}
