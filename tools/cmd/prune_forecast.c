#include "tools/cmd/prune_forecast.h"

#include "prune/magnitude.h"
#include "tools/engine/forecast.h"

/* The masks of the first layer, which are thrown away. */
struct first_layer {
	ps_prune_inputs *in;
	const ps_prune_plan *plan;
	ps_prune_options options;
	ps_model_config config; /* the model's, with one layer */
	ps_wanda_stats stats;   /* likewise */
};

static int ignore_mask(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		       uint64_t dropped)
{
	(void)self, (void)layer, (void)projection, (void)mask, (void)dropped;
	return 0;
}

static int prune_first_layer(void *self)
{
	static const ps_mask_sink sink = {.put = ignore_mask};
	const struct first_layer *first = self;
	const ps_weight_lookup *lookup = &first->in->lookup;
	ps_arena *arena = &first->in->engine.arena;
	const ps_context *context = &first->in->engine.session->context;

	if (first->plan->method == PS_PRUNE_MAGNITUDE)
		return ps_magnitude_prune(&first->config, lookup, &first->options, context, arena,
					  &sink);
	return ps_wanda_prune_dense(&first->config, lookup, &first->stats, &first->options, context,
				    arena, &sink);
}

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

/* How many times the work on the first layer is done for the whole model. A pooled embedding counts
 * as so many layers as its weights make, because each weight is looked at as often. */
static double layers_to_prune(const ps_model_config *config, bool pool_embedding)
{
	ps_model_config one = *config;
	double layers = (double)config->layers;

	one.layers = 1;
	if (pool_embedding)
		layers += (double)(config->vocab * config->width) /
			  (8.0 * (double)ps_mask_data_bytes(&one));
	return layers;
}

int ps_prune_forecast(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_engine_need *need,
		      const char *out, json_t **result)
{
	const ps_model_config *config = in->engine.config;
	struct first_layer first = {
		.in = in, .plan = plan, .options = plan->options, .config = *config};
	ps_forecast f;
	int rc = ps_forecast_begin(&f, &in->engine, need, in->tokens ? in->tokens->ids : NULL,
				   in->tokens ? need->tokens : 0);

	if (!rc && plan->method == PS_PRUNE_WANDA)
		rc = add_statistics(&f, in, plan, &first.stats);
	if (rc)
		return rc;
	first.config.layers = first.stats.layers = 1;
	first.options.pool_embedding = false;
	rc = ps_forecast_add(&f, prune_first_layer, &first,
			     layers_to_prune(config, plan->options.pool_embedding));
	if (rc)
		return rc;
	ps_forecast_write(&f, out, ps_mask_data_bytes(config), 1);
	return ps_forecast_end(&f, result);
}
