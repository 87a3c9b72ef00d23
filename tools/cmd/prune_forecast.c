#include "tools/cmd/prune_forecast.h"

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

/* The first layer's masks or scales, which go nowhere. */
struct first_layer {
	ps_prune_inputs *in;
	const ps_prune_plan *plan;
	ps_model_config config; /* of one layer */
};

static int ignore_mask(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		       uint64_t dropped)
{
	(void)self, (void)layer, (void)projection, (void)mask, (void)dropped;
	return 0;
}

static int draw_first(void *context)
{
	static const ps_mask_sink sink = {.put = ignore_mask};
	const struct first_layer *f = context;
	ps_engine *e = &f->in->engine;
	ps_mask_lookup lookup;
	const ps_random_rule rule = ps_prune_random_rule(f->in, f->plan, &lookup);

	return ps_random_prune(&f->config, &rule, &e->session->context, &e->arena, &sink);
}

static int ignore_scale(void *self, int layer, ps_projection projection, const float *scale)
{
	(void)self, (void)layer, (void)projection, (void)scale;
	return 0;
}

static int round_first(void *context)
{
	static const ps_scale_sink sink = {.put = ignore_scale};
	const struct first_layer *f = context;
	ps_engine *e = &f->in->engine;

	return ps_rounding_scales(&f->config, &f->in->lookup, &f->plan->rounding,
				  &e->session->context, &e->arena, &sink);
}

static int add_first_layer(ps_forecast *f, ps_prune_inputs *in, const ps_prune_plan *plan)
{
	struct first_layer first = {.in = in, .plan = plan, .config = *in->engine.config};

	first.config.layers = 1;
	return ps_forecast_add(f, plan->method == PS_PRUNE_RTN ? round_first : draw_first, &first,
			       (double)in->engine.config->layers);
}

int ps_prune_forecast_masks(ps_forecast *f, ps_prune_inputs *in, const ps_prune_plan *plan)
{
	ps_wanda_stats stats;
	int rc;

	if (plan->method == PS_PRUNE_RANDOM || plan->method == PS_PRUNE_RTN)
		return add_first_layer(f, in, plan);
	if (plan->method == PS_PRUNE_MAGNITUDE)
		return ps_forecast_masks(f, &plan->options, NULL);
	rc = add_statistics(f, in, plan, &stats);
	return rc ? rc : ps_forecast_masks(f, &plan->options, &stats);
}

int ps_prune_forecast(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_engine_need *need,
		      const char *out, json_t **result)
{
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &in->engine, need, in->tokens ? in->tokens->ids : NULL,
				   in->tokens ? need->tokens : 0);

	if (!rc)
		rc = ps_prune_forecast_masks(&f, in, plan);
	if (rc)
		return rc;
	ps_forecast_write(&f, out,
			  ps_edit_data_bytes(in->engine.config, ps_prune_plan_rounds(plan)), 1);
	return ps_forecast_end(&f, result);
}
