#include "prune/wanda.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "prune/masker.h"

#define BLOCK_COLS 128

/* Where an observed layer's sums of squares go. */
struct observer {
	const ps_context *context;
	double *sum[PS_INPUTS]; /* (cols) of the layer */
	size_t cols[PS_INPUTS];
};

struct square_job {
	const float *x; /* (rows, cols) */
	double *sum;    /* (cols) */
	size_t rows, cols;
};

static void input_cols(const ps_model_config *config, size_t cols[PS_INPUTS])
{
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		size_t rows;

		ps_projection_shape(config, (ps_projection)p, &rows,
				    &cols[ps_input_of((ps_projection)p)]);
	}
}

size_t ps_wanda_stats_bytes(const ps_model_config *config)
{
	size_t cols[PS_INPUTS], bytes = 0;

	input_cols(config, cols);
	for (int i = 0; i < PS_INPUTS; i++)
		bytes += ps_round_up(config->layers * cols[i] * sizeof(double), PS_ALIGN);
	return bytes;
}

int ps_wanda_stats_create(ps_wanda_stats *stats, const ps_model_config *config, ps_arena *arena,
			  ps_diag *diag)
{
	*stats = (ps_wanda_stats){.layers = config->layers};
	input_cols(config, stats->cols);
	for (int i = 0; i < PS_INPUTS; i++) {
		size_t bytes = stats->layers * stats->cols[i] * sizeof(double);

		stats->mean[i] = ps_arena_take(arena, bytes);
		if (!stats->mean[i])
			return ps_fail(diag, PS_EFAILED,
				       "the arena is too small for the calibration statistics");
		memset(stats->mean[i], 0, bytes);
	}
	return 0;
}

/* sum[c] += x[t, c]^2, tokens in order. The square of a float is exact in double, so that a fused
 * multiply-add gives the same bits as none. */
PS_CLONES static void add_squares(const float *x, size_t rows, size_t cols, size_t count,
				  double *sum)
{
	double acc[BLOCK_COLS];

	memcpy(acc, sum, count * sizeof *acc);
	for (size_t t = 0; t < rows; t++) {
		const float *row = x + t * cols;

		for (size_t c = 0; c < count; c++)
			acc[c] += (double)row[c] * (double)row[c];
	}
	memcpy(sum, acc, count * sizeof *acc);
}

static void square_block(void *context, size_t item, int worker)
{
	const struct square_job *job = context;
	size_t first = item * BLOCK_COLS;

	(void)worker;
	add_squares(job->x + first, job->rows, job->cols,
		    ps_min_size(BLOCK_COLS, job->cols - first), job->sum + first);
}

static int observe(void *context, ps_input input, const float *x, size_t rows, size_t cols)
{
	struct observer *observer = context;
	struct square_job job = {.x = x, .sum = observer->sum[input], .rows = rows, .cols = cols};

	if (cols != observer->cols[input])
		return ps_fail(observer->context->diag, PS_EFAILED,
			       "calibration: %zu columns where %zu were planned", cols,
			       observer->cols[input]);
	ps_pool_run(observer->context->pool, (cols + BLOCK_COLS - 1) / BLOCK_COLS, square_block,
		    &job);
	return 0;
}

static void divide_sums(struct observer *observer, size_t count)
{
	for (int i = 0; i < PS_INPUTS; i++)
		for (size_t c = 0; c < observer->cols[i]; c++)
			observer->sum[i][c] /= (double)count;
}

static int check_tokens(const ps_windows *windows, ps_diag *diag)
{
	if (windows->count && windows->start[windows->count])
		return 0;
	return ps_fail(diag, PS_EINPUT, "no tokens to calibrate on");
}

/* Observes one dense layer, moving hidden on when it is not the last. */
static int calibrate_layer(ps_forward *forward, const ps_weight_source *source, int layer,
			   const ps_windows *windows, float *hidden, struct observer *observer)
{
	int layers = (int)ps_forward_config(forward)->layers;
	bool last = layer + 1 == layers;
	ps_layer_weights weights;
	int code = source->acquire_layer(source->self, layer, last ? -1 : layer + 1, &weights,
					 observer->context->diag);

	if (code)
		return code;
	ps_forward_pack(forward, &weights);
	source->release_layer(source->self, layer);
	code = ps_forward_packed(forward, layer, windows, hidden, last ? NULL : hidden, observe,
				 observer);
	if (!code)
		divide_sums(observer, windows->start[windows->count]);
	return code;
}

int ps_wanda_calibrate(ps_forward *forward, const ps_weight_source *source,
		       const ps_windows *windows, float *hidden, const ps_context *context,
		       ps_wanda_stats *stats)
{
	struct observer observer = {.context = context};
	int code = check_tokens(windows, context->diag);

	if (code)
		return code;
	memcpy(observer.cols, stats->cols, sizeof observer.cols);
	code = ps_forward_embed(forward, windows, hidden);
	for (size_t layer = 0; !code && layer < stats->layers; layer++) {
		for (int i = 0; i < PS_INPUTS; i++) {
			observer.sum[i] = stats->mean[i] + layer * stats->cols[i];
			memset(observer.sum[i], 0, stats->cols[i] * sizeof(double));
		}
		code = ps_progress_check(context);
		if (!code)
			code = calibrate_layer(forward, source, (int)layer, windows, hidden,
					       &observer);
		if (!code)
			ps_progress_tick(context, "calibrate, layer", "layers", layer + 1,
					 stats->layers);
	}
	stats->tokens = code ? 0 : windows->start[windows->count];
	return code;
}

/* What the two ways of calibration share: the masker, and one layer's scales and masks. */
struct pruner {
	const ps_model_config *config;
	const ps_prune_options *options;
	const ps_context *context;
	ps_masker masker;
	double *sum[PS_INPUTS];  /* (cols): one layer's statistics (sequential) */
	float *scale[PS_INPUTS]; /* (cols): sqrt of the means */
	size_t cols[PS_INPUTS];
	uint8_t *bits[PS_PROJECTIONS];
};

size_t ps_wanda_bytes(const ps_model_config *config, int threads)
{
	size_t cols[PS_INPUTS], bytes = ps_masker_bytes(config, threads);

	input_cols(config, cols);
	for (int i = 0; i < PS_INPUTS; i++)
		bytes += ps_round_up(cols[i] * sizeof(double), PS_ALIGN) +
			 ps_round_up(cols[i] * sizeof(float), PS_ALIGN);
	for (int p = 0; p < PS_PROJECTIONS; p++)
		bytes += ps_round_up(ps_masker_bitmap_bytes(config, (ps_projection)p), PS_ALIGN);
	return bytes;
}

static int create(struct pruner *pruner, ps_arena *arena)
{
	bool enough = true;
	int code = ps_masker_create(&pruner->masker, pruner->config, pruner->context, arena);

	if (code)
		return code;
	input_cols(pruner->config, pruner->cols);
	for (int i = 0; i < PS_INPUTS; i++) {
		pruner->sum[i] = ps_arena_take(arena, pruner->cols[i] * sizeof(double));
		pruner->scale[i] = ps_arena_take(arena, pruner->cols[i] * sizeof(float));
		enough = enough && pruner->sum[i] && pruner->scale[i];
	}
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		pruner->bits[p] = ps_arena_take(
			arena, ps_masker_bitmap_bytes(pruner->config, (ps_projection)p));
		enough = enough && pruner->bits[p];
	}
	return enough ? 0
		      : ps_fail(pruner->context->diag, PS_EFAILED,
				"the arena is too small for Wanda");
}

static int check_options(const ps_model_config *config, const ps_prune_options *options,
			 ps_diag *diag)
{
	if (!options->m && options->scope == PS_SCOPE_GLOBAL)
		return ps_fail(diag, PS_EUSAGE,
			       "wanda prunes by row or by matrix: scores of different inputs are "
			       "not comparable");
	return ps_masker_check_options(config, options, diag);
}

/* scale = sqrt of the mean rounded to f32, as torch.sqrt(mean.float()). */
static int take_scale(struct pruner *pruner, int layer, ps_input input, const double *mean)
{
	static const char *const names[PS_INPUTS] = {"attention", "o_proj", "the MLP", "down_proj"};

	for (size_t c = 0; c < pruner->cols[input]; c++) {
		float value = sqrtf((float)mean[c]);

		if (!isfinite(value))
			return ps_fail(pruner->context->diag, PS_EINPUT,
				       "layer %d: the mean square of input %zu of %s over the "
				       "calibration tokens is not a finite number",
				       layer, c, names[input]);
		pruner->scale[input][c] = value;
	}
	return 0;
}

static int prune_projection(struct pruner *pruner, int layer, ps_projection projection,
			    const ps_weight *weight, ps_mask_sink sink, void *sink_context)
{
	char name[96];
	ps_scored matrix = {.weight = *weight,
			    .scale = pruner->scale[ps_input_of(projection)],
			    .name = ps_projection_tensor(layer, projection, name)};
	int code = ps_masker_matrix(&pruner->masker, &matrix, pruner->options,
				    pruner->bits[projection]);

	if (code)
		return code;
	return ps_masker_emit(weight, layer, projection, pruner->bits[projection], sink,
			      sink_context);
}

static int dense_layer(struct pruner *pruner, int layer, const ps_weight_lookup *weights,
		       const ps_wanda_stats *stats, ps_mask_sink sink, void *sink_context)
{
	int code = 0;

	for (int i = 0; !code && i < PS_INPUTS; i++)
		code = take_scale(pruner, layer, (ps_input)i,
				  stats->mean[i] + (size_t)layer * stats->cols[i]);
	for (int p = 0; !code && p < PS_PROJECTIONS; p++) {
		ps_weight weight;

		code = weights->projection(weights->self, layer, (ps_projection)p, &weight,
					   pruner->context->diag);
		if (!code)
			code = prune_projection(pruner, layer, (ps_projection)p, &weight, sink,
						sink_context);
	}
	return code;
}

int ps_wanda_prune_dense(const ps_model_config *config, const ps_weight_lookup *weights,
			 const ps_wanda_stats *stats, const ps_prune_options *options,
			 const ps_context *context, ps_arena *arena, ps_mask_sink sink,
			 void *sink_context)
{
	struct pruner pruner = {.config = config, .options = options, .context = context};
	size_t mark = ps_arena_mark(arena);
	int code = check_options(config, options, context->diag);

	if (code)
		return code;
	code = create(&pruner, arena);
	for (int i = 0; !code && i < PS_INPUTS; i++)
		if (stats->layers != config->layers || stats->cols[i] != pruner.cols[i])
			code = ps_fail(context->diag, PS_EINPUT,
				       "the calibration statistics are of another model");
	for (int layer = 0; !code && layer < (int)config->layers; layer++) {
		code = ps_progress_check(context);
		if (!code)
			code = dense_layer(&pruner, layer, weights, stats, sink, sink_context);
		if (!code)
			ps_progress_tick(context, "wanda, layer", "layers", (uint64_t)layer + 1,
					 config->layers);
	}
	ps_arena_rewind(arena, mark);
	return code;
}

/* Statistics of the dense layer on the pruned layers' outputs, its masks, then its outputs anew. */
static int sequential_layer(struct pruner *pruner, ps_forward *forward, int layer,
			    ps_layer_weights *weights, const ps_windows *windows, float *hidden,
			    ps_mask_sink sink, void *sink_context)
{
	struct observer observer = {.context = pruner->context};
	int code;

	for (int i = 0; i < PS_INPUTS; i++) {
		observer.sum[i] = pruner->sum[i];
		observer.cols[i] = pruner->cols[i];
		memset(observer.sum[i], 0, observer.cols[i] * sizeof(double));
	}
	code = ps_forward_layer(forward, layer, weights, windows, hidden, NULL, observe, &observer);
	if (code)
		return code;
	/* locuslab/wanda divides by the windows, not by their tokens: the same order but for rounding. We round as
	 * it does, because one near-tie decided otherwise grows, layer by layer, to thousands. */
	divide_sums(&observer, windows->count);
	for (int i = 0; !code && i < PS_INPUTS; i++)
		code = take_scale(pruner, layer, (ps_input)i, observer.sum[i]);
	for (int p = 0; !code && p < PS_PROJECTIONS; p++) {
		code = prune_projection(pruner, layer, (ps_projection)p, &weights->projection[p],
					sink, sink_context);
		weights->projection[p].keep = pruner->bits[p];
	}
	if (code || layer + 1 == (int)pruner->config->layers)
		return code;
	return ps_forward_layer(forward, layer, weights, windows, hidden, hidden, NULL, NULL);
}

static int sequential_layers(struct pruner *pruner, ps_forward *forward,
			     const ps_weight_source *source, const ps_windows *windows,
			     float *hidden, ps_mask_sink sink, void *sink_context)
{
	int layers = (int)pruner->config->layers;
	int code = ps_forward_embed(forward, windows, hidden);

	for (int layer = 0; !code && layer < layers; layer++) {
		ps_layer_weights weights;

		code = ps_progress_check(pruner->context);
		if (code)
			return code;
		code = source->acquire_layer(source->self, layer,
					     layer + 1 < layers ? layer + 1 : -1, &weights,
					     pruner->context->diag);
		if (code)
			return code;
		code = sequential_layer(pruner, forward, layer, &weights, windows, hidden, sink,
					sink_context);
		source->release_layer(source->self, layer);
		if (!code)
			ps_progress_tick(pruner->context, "wanda, layer", "layers",
					 (uint64_t)layer + 1, (uint64_t)layers);
	}
	return code;
}

int ps_wanda_prune_sequential(ps_forward *forward, const ps_weight_source *source,
			      const ps_windows *windows, float *hidden,
			      const ps_prune_options *options, const ps_context *context,
			      ps_arena *arena, ps_mask_sink sink, void *sink_context)
{
	struct pruner pruner = {
		.config = ps_forward_config(forward), .options = options, .context = context};
	size_t mark = ps_arena_mark(arena);
	int code = check_options(pruner.config, options, context->diag);

	if (!code)
		code = check_tokens(windows, context->diag);
	if (code)
		return code;
	code = create(&pruner, arena);
	if (!code)
		code = sequential_layers(&pruner, forward, source, windows, hidden, sink,
					 sink_context);
	ps_arena_rewind(arena, mark);
	return code;
}
