#include "tools/cmd/prune_forecast.h"

/* Gives the statistics to prune with: those of the file, or of the sample while that is timed. */
static int add_statistics(ps_forecast *f, ps_prune_inputs *in, const ps_prune_plan *plan,
			  size_t count, ps_wanda_stats *stats)
{
	const double tokens = in->tokens ? (double)(in->tokens->windows * in->tokens->window) : 0;
	const int last = (int)in->engine.config->layers - 1;
	int rc;

	if (in->stats) {
		ps_prune_read_stats(in, stats);
		return 0;
	}
	ps_wanda_stats_create(stats, in->engine.config, &in->engine.arena);
	rc = ps_forecast_observed(f, tokens, plan->calibration == PS_CALIBRATION_DENSE, stats);
	if (rc || plan->calibration == PS_CALIBRATION_DENSE)
		return rc;
	/* A model observes all layers but the first by itself, and computes all but the last. */
	rc = ps_forecast_layers(f, 1, last, (double)(count - 1) * tokens, count - 1, 0);
	return rc ? rc : ps_forecast_layers(f, 0, last - 1, (double)count * tokens, count, 0);
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

int ps_prune_forecast_masks(ps_forecast *f, ps_prune_inputs *in, const ps_prune_plan *plan,
			    size_t count)
{
	ps_wanda_stats stats;
	int rc = 0;

	if (plan->method == PS_PRUNE_RANDOM || plan->method == PS_PRUNE_RTN)
		return add_first_layer(f, in, plan);
	if (plan->method == PS_PRUNE_WANDA)
		rc = add_statistics(f, in, plan, count, &stats);
	for (size_t i = 0; i < count && !rc; i++)
		rc = ps_forecast_masks(f, &plan->options,
				       plan->method == PS_PRUNE_WANDA ? &stats : NULL);
	return rc;
}

int ps_prune_forecast(ps_prune_inputs *in, const ps_prune_target *target, size_t count,
		      json_t **result)
{
	const ps_rounding_rule *rule = ps_prune_plan_rounds(&target->plan);
	char folder[PATH_MAX];
	const ps_engine_need need = ps_prune_need(in, target, count, folder);
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &in->engine, &need, in->tokens ? in->tokens->ids : NULL,
				   in->tokens ? need.tokens : 0);

	if (!rc)
		rc = ps_prune_forecast_masks(&f, in, &target->plan, count);
	if (rc)
		return rc;
	ps_forecast_write(&f, target->output.path,
			  count * ps_edit_data_bytes(in->engine.config, rule), count);
	return ps_forecast_end(&f, result);
}
