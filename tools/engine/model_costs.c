#include "tools/engine/model_costs.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clock.h"

#define SAMPLE_SECONDS 0.04 /* about: one layer over the larger sample */

/* --- the model --- */

static uint64_t layer_bytes(const ps_engine *e, int layer)
{
	uint64_t bytes = 0;
	ps_weight w;

	for (int p = 0; p < (int)PS_PROJECTIONS; p++)
		if (!ps_checkpoint_projection(e->checkpoint, layer, (ps_projection)p, &w, NULL))
			bytes += w.rows * ps_dtype_bytes(w.dtype, w.cols);
	return bytes;
}

static uint64_t embedding_row_bytes(const ps_engine *e)
{
	ps_weight w;

	return ps_checkpoint_embedding(e->checkpoint, &w, NULL) ? 0
								: ps_dtype_bytes(w.dtype, w.cols);
}

static void describe(const ps_engine *e, ps_model_costs *costs)
{
	*costs = (ps_model_costs){.config = *e->config,
				  .embedding_row_bytes = embedding_row_bytes(e)};
	for (size_t layer = 0; layer < e->config->layers; layer++)
		costs->layer_bytes[layer] = layer_bytes(e, (int)layer);
}

/* A window within reach of a sliding layer is attended to as a whole. */
ps_layer_kind ps_layer_kind_of(const ps_model_costs *costs, int layer)
{
	const ps_model_config *config = &costs->config;

	return config->sliding[layer] && costs->window > config->sliding_window ? PS_LAYER_SLIDING
										: PS_LAYER_GLOBAL;
}

/* --- the sample --- */

/* The head is timed over one block of the vocabulary. */
static ps_model_config head_config(const ps_engine *e)
{
	ps_model_config block = *e->config;

	block.vocab = ps_min_size(block.vocab, PS_HEAD_ROWS_MAX);
	return block;
}

/* The caller's buffers, then the sample's. */
static void lay_out(void *context, size_t tokens, ps_layout *layout)
{
	ps_sample *sample = context;
	const ps_engine *e = sample->engine;
	const ps_model_config block = head_config(e);
	const size_t head_bytes =
		ps_head_bytes(&block, e->session->precision, e->session->threads, tokens) +
		ps_round_up(tokens * sizeof(int32_t), PS_ALIGN) +
		ps_round_up(tokens * sizeof(double), PS_ALIGN);

	if (sample->need->lay_out)
		sample->need->lay_out(sample->need->command, tokens, layout);
	sample->ids = ps_layout_part(layout, tokens, sizeof *sample->ids);
	if (sample->need->head)
		sample->head_room = ps_engine_room(layout, head_bytes);
}

int ps_sample_start(ps_sample *sample, ps_engine *e, const ps_engine_need *need, size_t tokens,
		    const int32_t *ids, size_t count, ps_model_costs *costs)
{
	ps_engine_need own = *need;
	int rc;

	*sample = (ps_sample){.engine = e, .need = need};
	own.tokens = own.pass_tokens = tokens;
	own.head = false;
	own.lay_out = lay_out;
	own.command = sample;
	rc = ps_engine_start(e, &own);
	sample->need = NULL;
	if (rc)
		return rc;
	sample->tokens = ps_min_size(tokens, e->pass_tokens);
	for (size_t i = 0; i < sample->tokens; i++)
		sample->ids[i] = count ? ids[i % count] : 0;
	/* Only the time counts here. */
	sample->windows =
		(ps_windows){.ids = sample->ids, .start = e->starts, .overflow_allowed = true};
	describe(e, costs);
	return 0;
}

static int embed(void *context)
{
	ps_sample *sample = context;

	return ps_forward_embed(sample->engine->forward, &sample->windows, sample->engine->hidden);
}

struct layer_run {
	ps_sample *sample;
	int layer;
	ps_layer_weights weights;
};

static int run_layer(void *context)
{
	const struct layer_run *run = context;
	ps_engine *e = run->sample->engine;

	return ps_forward_layer(e->forward, run->layer, &run->weights, &run->sample->windows,
				e->hidden, e->hidden, NULL);
}

/* From the seconds of two calls, of few tokens and of more (few_tokens 0: of one call alone). */
static ps_call_cost cost_of(double few_tokens, double few, double many_tokens, double many)
{
	const double whole = many / many_tokens;
	ps_call_cost cost = {.token = whole};

	/* At least half of it, however a busy machine disturbed one of the times. */
	if (few_tokens > 0)
		cost.token = fmax((many - few) / (many_tokens - few_tokens), whole / 2);
	cost.token = fmin(cost.token, whole);
	cost.call = many - cost.token * many_tokens;
	return cost;
}

/* Times fn on a few windows and on many. */
static int time_sample(ps_sample *sample, ps_probe_fn fn, void *context, ps_call_cost *cost)
{
	const size_t few = sample->few < sample->many ? sample->few : 0;
	double few_seconds = 0, many_seconds = 0;
	int rc;

	sample->windows.count = sample->many;
	rc = ps_probe_time(fn, context, &many_seconds);
	sample->windows.count = few;
	if (!rc && few)
		rc = ps_probe_time(fn, context, &few_seconds);
	sample->windows.count = sample->many;
	*cost = cost_of((double)(few * sample->window), few_seconds,
			(double)(sample->many * sample->window), many_seconds);
	return rc;
}

int ps_sample_cut(ps_sample *sample, size_t window, size_t windows_max, ps_model_costs *costs)
{
	ps_engine *e = sample->engine;
	struct layer_run run = {.sample = sample};
	const size_t room = ps_max_size(ps_min_size(sample->tokens / window, windows_max), 1);
	double started, seconds;
	int rc;

	sample->window = costs->window = window;
	for (size_t i = 0; i <= room; i++)
		e->starts[i] = i * window;
	sample->windows.count = room;
	rc = embed(sample);
	started = ps_clock();
	if (!rc)
		rc = e->source.acquire_layer(e->source.self, 0, -1, &run.weights,
					     &e->session->diag);
	if (rc)
		return rc;
	costs->read_rate = (double)costs->layer_bytes[0] / fmax(ps_clock() - started, 1e-9);
	sample->windows.count = 1;
	started = ps_clock();
	rc = run_layer(&run); /* touches the workspace, and is timed only where it takes long */
	seconds = ps_clock() - started;
	if (!rc && seconds < SAMPLE_SECONDS) {
		started = ps_clock();
		rc = run_layer(&run);
		seconds = fmax(ps_clock() - started, 1e-9);
	}
	e->source.release_layer(e->source.self, 0);
	sample->many = ps_max_size(ps_min_size(2, room),
				   (size_t)fmin((double)room, SAMPLE_SECONDS / seconds));
	sample->few = ps_max_size(1, sample->many / 4);
	sample->windows.count = sample->many;
	return rc;
}

int ps_sample_embedding(ps_sample *sample, ps_model_costs *costs)
{
	return time_sample(sample, embed, sample, &costs->embedding);
}

int ps_sample_layer(ps_sample *sample, int layer, ps_model_costs *costs)
{
	ps_engine *e = sample->engine;
	struct layer_run run = {.sample = sample, .layer = layer};
	int rc =
		e->source.acquire_layer(e->source.self, layer, -1, &run.weights, &e->session->diag);

	if (rc)
		return rc;
	rc = time_sample(sample, run_layer, &run, &costs->layer[ps_layer_kind_of(costs, layer)]);
	e->source.release_layer(e->source.self, layer);
	return rc;
}

struct head_run {
	const ps_sample *sample;
	ps_head *head;
	size_t rows; /* of a call */
	int32_t *targets;
	double *nll;
};

static int run_head(void *context)
{
	const struct head_run *run = context;

	return ps_head_nll(run->head, run->sample->engine->hidden, run->targets, run->rows,
			   run->nll);
}

/* A quarter of the rows, and all of them. */
static int time_head(struct head_run *run, ps_call_cost *cost)
{
	const size_t all = run->rows, few = all / 4;
	double few_seconds = 0, all_seconds = 0;
	int rc = ps_probe_time(run_head, run, &all_seconds);

	run->rows = few;
	if (!rc && few)
		rc = ps_probe_time(run_head, run, &few_seconds);
	*cost = cost_of((double)few, few_seconds, (double)all, all_seconds);
	return rc;
}

int ps_sample_head(ps_sample *sample, size_t batch, ps_model_costs *costs)
{
	ps_engine *e = sample->engine;
	const ps_model_config block = head_config(e);
	const double blocks = (double)e->config->vocab / (double)block.vocab;
	struct head_run run = {.sample = sample,
			       .rows = batch ? ps_min_size(batch, sample->tokens) : sample->tokens};
	ps_call_cost cost = {0};
	int rc = ps_head_create(&run.head, &block, &e->source, &e->session->context,
				e->session->precision, run.rows, &sample->head_room);

	run.targets = ps_arena_take(&sample->head_room, run.rows * sizeof *run.targets);
	run.nll = ps_arena_take(&sample->head_room, run.rows * sizeof *run.nll);
	if (!rc)
		rc = batch ? ps_probe_time(run_head, &run, &cost.call) : time_head(&run, &cost);
	ps_arena_rewind(&sample->head_room, 0);
	costs->head = (ps_call_cost){cost.call * blocks, cost.token * blocks};
	return rc;
}

struct observed_run {
	ps_sample *sample;
	ps_wanda_stats stats;
};

static int observe(void *context)
{
	struct observed_run *run = context;
	ps_engine *e = run->sample->engine;
	const ps_wanda_pass pass = {.forward = e->forward,
				    .source = &e->source,
				    .windows = &run->sample->windows,
				    .hidden = e->hidden};

	return ps_wanda_calibrate(&pass, &e->session->context, &run->stats);
}

int ps_sample_observed(ps_sample *sample, const ps_wanda_stats *stats, ps_model_costs *costs)
{
	struct observed_run run = {.sample = sample, .stats = *stats};
	const ps_call_cost *plain = &costs->layer[ps_layer_kind_of(costs, 0)];
	ps_call_cost both;
	int rc = plain->token > 0 ? 0 : ps_sample_layer(sample, 0, costs);

	if (!rc)
		rc = ps_sample_embedding(sample, costs);

	run.stats.layers = 1;
	if (!rc)
		rc = time_sample(sample, observe, &run, &both);
	if (rc)
		return rc;
	costs->observed.call = fmax(both.call - costs->embedding.call, 0);
	costs->observed.token = fmax(both.token - costs->embedding.token, 0);
	/* The sums cost little beside the products: what is far off was disturbed. */
	costs->observed.token =
		fmin(fmax(costs->observed.token, plain->token / 2), 2 * plain->token);
	return 0;
}

/* --- masks --- */

/* The masks of the first layer, which go nowhere. */
struct masks_run {
	const ps_engine *engine;
	ps_arena *arena;
	ps_model_config config; /* of one layer */
	ps_weight_lookup lookup;
	ps_wanda_stats stats; /* likewise */
	ps_prune_options options;
	bool wanda;
};

static int ignore_mask(void *self, int layer, ps_projection projection, const ps_bitmap *mask,
		       uint64_t dropped)
{
	(void)self, (void)layer, (void)projection, (void)mask, (void)dropped;
	return 0;
}

static int mask_first(void *context)
{
	static const ps_mask_sink sink = {.put = ignore_mask};
	const struct masks_run *run = context;
	const ps_prune_sweep sweep = {
		.count = 1, .sparsity = &run->options.sparsity, .sink = &sink};
	const ps_context *session = &run->engine->session->context;

	if (run->wanda)
		return ps_wanda_prune_dense(&run->config, &run->lookup, &run->stats, &run->options,
					    &sweep, session, run->arena);
	return ps_magnitude_prune(&run->config, &run->lookup, &run->options, &sweep, session,
				  run->arena);
}

int ps_sample_masks(ps_engine *e, const ps_prune_options *options, const ps_wanda_stats *stats,
		    ps_arena *arena, double *seconds)
{
	struct masks_run run = {.engine = e,
				.arena = arena,
				.config = *e->config,
				.lookup = ps_engine_lookup(e),
				.options = *options,
				.wanda = stats};

	run.config.layers = 1;
	run.options.pool_embedding = false;
	if (stats)
		run.stats = *stats;
	run.stats.layers = 1;
	return ps_probe_time(mask_first, &run, seconds);
}

static size_t layer_weights(const ps_model_config *config)
{
	size_t weights = 0, rows, cols;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		ps_projection_shape(config, p, &rows, &cols);
		weights += rows * cols;
	}
	return weights;
}

/* A weight of the embedding counts as one of a layer: both are looked at as often. */
double ps_masked_layers(const ps_model_config *config, const ps_prune_options *options)
{
	double embedding = options->pool_embedding ? (double)(config->vocab * config->width) : 0;

	return (double)config->layers + embedding / (double)layer_weights(config);
}

/* --- sums --- */

void ps_estimate_embedding(ps_estimate *estimate, const ps_model_costs *costs, double tokens)
{
	estimate->compute_seconds += costs->embedding.token * tokens;
	estimate->read_bytes += (uint64_t)(tokens * (double)costs->embedding_row_bytes);
}

void ps_estimate_layers(ps_estimate *estimate, const ps_model_costs *costs,
			const ps_layers_load *load)
{
	for (int layer = load->first; layer <= load->last; layer++) {
		const ps_call_cost *cost = &costs->layer[ps_layer_kind_of(costs, layer)];

		estimate->compute_seconds += cost->call * (double)(load->runs * load->passes) +
					     cost->token * load->tokens;
		estimate->read_bytes += load->reads * load->passes * costs->layer_bytes[layer];
	}
}

void ps_estimate_head(ps_estimate *estimate, const ps_model_costs *costs, double rows, double calls)
{
	estimate->compute_seconds += costs->head.call * calls + costs->head.token * rows;
	estimate->read_bytes += (uint64_t)(calls * (double)costs->config.vocab *
					   (double)costs->embedding_row_bytes);
}

/* Share of a layer's products that its last one has: what a layer without outputs is spared. */
static double down_share(const ps_model_config *config)
{
	size_t rows, cols;

	ps_projection_shape(config, PS_DOWN, &rows, &cols);
	return (double)(rows * cols) / (double)layer_weights(config);
}

void ps_estimate_observed(ps_estimate *estimate, const ps_model_costs *costs, double tokens,
			  size_t passes, bool outputs)
{
	const double down = down_share(&costs->config);

	for (size_t layer = 0; layer < costs->config.layers; layer++) {
		const ps_call_cost *plain = &costs->layer[ps_layer_kind_of(costs, (int)layer)];

		estimate->compute_seconds +=
			costs->observed.call * (double)passes + costs->observed.token * tokens;
		if (outputs && layer + 1 < costs->config.layers)
			estimate->compute_seconds += down * plain->token * tokens;
		estimate->read_bytes += passes * costs->layer_bytes[layer];
	}
}

void ps_estimate_write(ps_estimate *estimate, const ps_probe_writing *writing, double bytes,
		       double files)
{
	estimate->written_bytes += (uint64_t)bytes;
	estimate->write_seconds += writing->file_seconds * files + writing->byte_seconds * bytes;
}

double ps_estimate_seconds(const ps_estimate *estimate, double read_rate)
{
	const double reading = read_rate > 0 ? (double)estimate->read_bytes / read_rate : 0;

	return fmax(estimate->compute_seconds, reading) + estimate->write_seconds;
}
