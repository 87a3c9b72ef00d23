#include "prune/wanda.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "prune/masker.h"

#define BLOCK_COLS 128 /* columns of one item when squares are summed */
/* Tokens that are computed between two ticks of the progress, at most, unless one window has more.
 * The forward pass computes as many at a time anyway. */
#define PIECE_TOKENS 1024

/* Where the sums of squares of a layer's inputs go. */
struct observer {
	const ps_context *context;
	double *sum[PS_INPUTS]; /* (cols) */
	size_t cols[PS_INPUTS];
};

struct square_job {
	const float *x; /* (rows, cols) */
	double *sum;    /* (cols) */
	size_t rows, cols;
};

/* Progress in tokens times layers, so that it moves within a layer. */
struct meter {
	const ps_context *context;
	const char *what;
	uint64_t total;
	uint64_t begun;   /* done before the present walk over the tokens */
	unsigned divisor; /* walks over the tokens per layer: each counts tokens / divisor */
};

/* What a layer's hidden states become when it is computed. */
enum hidden_use { KEEP_HIDDEN, REPLACE_HIDDEN };

static void input_cols(const ps_model_config *config, size_t cols[PS_INPUTS])
{
	for (int p = 0; p < PS_PROJECTIONS; p++) {
		size_t rows;

		ps_projection_shape(config, (ps_projection)p, &rows,
				    &cols[ps_input_of((ps_projection)p)]);
	}
}

/* --- statistics --- */

/* The list of the statistics' memory: counted without an arena, taken with one. */
static size_t lay_out_stats(ps_wanda_stats *stats, const ps_model_config *config, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	*stats = (ps_wanda_stats){.layers = config->layers};
	input_cols(config, stats->cols);
	for (int i = 0; i < PS_INPUTS; i++)
		stats->mean[i] = ps_layout_part(&layout, stats->layers * stats->cols[i],
						sizeof *stats->mean[i]);
	return layout.bytes;
}

size_t ps_wanda_stats_bytes(const ps_model_config *config)
{
	ps_wanda_stats stats;

	return lay_out_stats(&stats, config, NULL);
}

void ps_wanda_stats_create(ps_wanda_stats *stats, const ps_model_config *config, ps_arena *arena)
{
	lay_out_stats(stats, config, arena);
	for (int i = 0; i < PS_INPUTS; i++)
		memset(stats->mean[i], 0, stats->layers * stats->cols[i] * sizeof *stats->mean[i]);
}

/* sum[c] += x[t, c]^2, tokens in order. The square of a float is exact in f64. So a fused
 * multiply-add gives the same bits as a multiplication and an addition. */
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
	ps_pool_run(observer->context->pool, ps_pool_items(cols, BLOCK_COLS), square_block, &job);
	return 0;
}

static void divide_sums(struct observer *observer, size_t count)
{
	for (int i = 0; i < PS_INPUTS; i++)
		for (size_t c = 0; c < observer->cols[i]; c++)
			observer->sum[i][c] /= (double)count;
}

/* Fails with `code` if a mean is not finite as f32, which is how it is stored and used. */
static int check_means(const ps_context *context, int layer, ps_input input, const double *mean,
		       size_t cols, int code)
{
	static const char *const names[PS_INPUTS] = {"attention", "o_proj", "the MLP", "down_proj"};

	for (size_t c = 0; c < cols; c++)
		if (!isfinite((float)mean[c]) || mean[c] < 0)
			return ps_fail(context->diag, code,
				       "layer %d: the mean square of input %zu of %s over the "
				       "calibration tokens is %g; it must be finite as F32",
				       layer, c, names[input], mean[c]);
	return 0;
}

static size_t token_count(const ps_windows *windows)
{
	return windows->start[windows->count];
}

static int check_tokens(const ps_windows *windows, ps_diag *diag)
{
	if (windows->count && token_count(windows))
		return 0;
	return ps_fail(diag, PS_EINPUT, "no tokens to calibrate on");
}

/* --- a layer over the calibration tokens --- */

static void tick(const struct meter *meter, size_t tokens)
{
	ps_progress_tick(meter->context, meter->what, "tok", meter->begun + tokens / meter->divisor,
			 meter->total);
}

/* A piece of windows from `first` on: as many as have at most PIECE_TOKENS tokens, and one at
 * least. start: room for the piece's offsets. */
static ps_windows cut_piece(const ps_windows *all, size_t first, size_t start[PIECE_TOKENS + 1])
{
	const size_t *from = all->start + first;
	size_t count = 0;

	start[0] = 0;
	do {
		count++;
		start[count] = from[count] - from[0];
	} while (first + count < all->count && count < PIECE_TOKENS &&
		 from[count + 1] - from[0] <= PIECE_TOKENS);
	return (ps_windows){.ids = all->ids + from[0],
			    .start = start,
			    .count = count,
			    .first_window = all->first_window + first};
}

/* Hidden states of the model of a sweep's sparsity. */
static float *hidden_of(const ps_wanda_pass *pass, size_t model)
{
	return pass->hidden +
	       model * token_count(pass->windows) * ps_forward_config(pass->forward)->width;
}

/* Computes a packed layer for all windows of one model, piece by piece. observer NULL: nobody looks
 * at its inputs. REPLACE_HIDDEN: the hidden states become the layer's outputs. */
static int compute(const ps_wanda_pass *pass, size_t model, int layer, struct observer *observer,
		   enum hidden_use use, const struct meter *meter)
{
	const ps_windows *all = pass->windows;
	const size_t width = ps_forward_config(pass->forward)->width;
	size_t start[PIECE_TOKENS + 1];
	int rc = 0;

	for (size_t first = 0; !rc && first < all->count;) {
		const ps_windows piece = cut_piece(all, first, start);
		float *hidden = hidden_of(pass, model) + all->start[first] * width;

		rc = ps_forward_packed(pass->forward, layer, &piece, hidden,
				       use == REPLACE_HIDDEN ? hidden : NULL,
				       observer ? &(ps_observer){observe, observer} : NULL);
		first += piece.count;
		if (!rc)
			tick(meter, all->start[first]);
	}
	return rc;
}

/* --- dense calibration --- */

/* Observes one dense layer. Replaces hidden by its outputs, except after the last layer. */
static int calibrate_layer(const ps_wanda_pass *pass, int layer, struct observer *observer,
			   const struct meter *meter)
{
	const int layers = (int)ps_forward_config(pass->forward)->layers;
	const bool last = layer + 1 == layers;
	ps_layer_weights weights;
	int rc = pass->source->acquire_layer(pass->source->self, layer, last ? -1 : layer + 1,
					     &weights, observer->context->diag);

	if (rc)
		return rc;
	rc = ps_forward_pack(pass->forward, &weights);
	pass->source->release_layer(pass->source->self, layer);
	if (!rc)
		rc = compute(pass, 0, layer, observer, last ? KEEP_HIDDEN : REPLACE_HIDDEN, meter);
	if (!rc)
		divide_sums(observer, token_count(pass->windows));
	for (int i = 0; !rc && i < PS_INPUTS; i++)
		rc = check_means(observer->context, layer, (ps_input)i, observer->sum[i],
				 observer->cols[i], PS_EFAILED);
	return rc;
}

int ps_wanda_calibrate(const ps_wanda_pass *pass, const ps_context *context, ps_wanda_stats *stats)
{
	struct observer observer = {.context = context};
	struct meter meter = {
		.context = context, .what = "calibrate, tokens x layers", .divisor = 1};
	uint64_t tokens;
	int rc = check_tokens(pass->windows, context->diag);

	if (rc)
		return rc;
	tokens = token_count(pass->windows);
	meter.total = tokens * stats->layers;
	tick(&meter, 0);
	memcpy(observer.cols, stats->cols, sizeof observer.cols);
	rc = ps_forward_embed(pass->forward, pass->windows, pass->hidden);
	for (size_t layer = 0; !rc && layer < stats->layers; layer++) {
		for (int i = 0; i < PS_INPUTS; i++) {
			observer.sum[i] = stats->mean[i] + layer * stats->cols[i];
			memset(observer.sum[i], 0, stats->cols[i] * sizeof(double));
		}
		meter.begun = layer * tokens;
		rc = ps_progress_check(context);
		if (!rc)
			rc = calibrate_layer(pass, (int)layer, &observer, &meter);
	}
	stats->tokens = rc ? 0 : tokens;
	return rc;
}

/* --- masks --- */

/* What both ways of calibration share: the masker, and the scales and masks of one layer. */
struct pruner {
	const ps_model_config *config;
	const ps_prune_options *options;
	const ps_prune_sweep *sweep;
	const ps_context *context;
	ps_masker masker;
	double *sum[PS_INPUTS];  /* (cols): statistics of one layer (sequential) */
	float *scale[PS_INPUTS]; /* (cols): square roots of the means */
	size_t cols[PS_INPUTS];
	uint8_t *bits[PS_PROJECTIONS][PS_HISTOGRAM_RANKS]; /* for each sparsity */
};

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out(struct pruner *pruner, int threads, size_t count, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	input_cols(pruner->config, pruner->cols);
	ps_masker_lay_out(&pruner->masker, pruner->config, threads, count, &layout);
	for (int i = 0; i < PS_INPUTS; i++) {
		pruner->sum[i] = ps_layout_part(&layout, pruner->cols[i], sizeof *pruner->sum[i]);
		pruner->scale[i] =
			ps_layout_part(&layout, pruner->cols[i], sizeof *pruner->scale[i]);
	}
	for (int p = 0; p < PS_PROJECTIONS; p++)
		for (size_t i = 0; i < count; i++)
			pruner->bits[p][i] = ps_layout_part(
				&layout, ps_masker_bitmap_bytes(pruner->config, (ps_projection)p),
				1);
	return layout.bytes;
}

size_t ps_wanda_bytes(const ps_model_config *config, int threads, size_t count)
{
	struct pruner pruner = {.config = config};

	return lay_out(&pruner, threads, count, NULL);
}

static void create(struct pruner *pruner, ps_arena *arena)
{
	lay_out(pruner, ps_pool_threads(pruner->context->pool), pruner->sweep->count, arena);
	pruner->masker.context = pruner->context;
}

static int check_options(const struct pruner *pruner)
{
	const ps_prune_options *options = pruner->options;
	ps_diag *diag = pruner->context->diag;

	if (!options->m && options->scope == PS_SCOPE_GLOBAL)
		return ps_fail(diag, PS_EUSAGE,
			       "wanda prunes by row or by matrix: scores of different inputs are "
			       "not comparable");
	return ps_masker_check_options(pruner->config, options, pruner->sweep, diag);
}

/* scale = square root of the mean, after rounding it to f32, as torch.sqrt(mean.float()). */
static void take_scale(struct pruner *pruner, ps_input input, const double *mean)
{
	for (size_t c = 0; c < pruner->cols[input]; c++)
		pruner->scale[input][c] = sqrtf((float)mean[c]);
}

/* The masks of sparsities [first, first + count), by the scales that were taken last. */
static int prune_projection(struct pruner *pruner, int layer, ps_projection projection,
			    const ps_weight *weight, size_t first, size_t count)
{
	uint8_t *const *bits = pruner->bits[projection] + first;
	uint64_t dropped[PS_HISTOGRAM_RANKS];
	const ps_masker_bits out = {count, pruner->sweep->sparsity + first, bits, dropped};
	char name[96];
	ps_scored matrix = {.weight = *weight,
			    .scale = pruner->scale[ps_input_of(projection)],
			    .name = ps_projection_tensor(layer, projection, name)};
	int rc = ps_masker_matrix(&pruner->masker, &matrix, pruner->options, &out);

	return rc ? rc
		  : ps_masker_emit(pruner->context, layer, projection, weight, &out,
				   pruner->sweep->sink + first);
}

static int dense_layer(struct pruner *pruner, int layer, const ps_weight_lookup *weights,
		       const ps_wanda_stats *stats)
{
	int rc = 0;

	for (int i = 0; !rc && i < PS_INPUTS; i++) {
		const double *mean = stats->mean[i] + (size_t)layer * stats->cols[i];

		rc = check_means(pruner->context, layer, (ps_input)i, mean, stats->cols[i],
				 PS_EINPUT);
		if (!rc)
			take_scale(pruner, (ps_input)i, mean);
	}
	for (int p = 0; !rc && p < PS_PROJECTIONS; p++) {
		ps_weight weight;

		rc = weights->projection(weights->self, layer, (ps_projection)p, &weight,
					 pruner->context->diag);
		if (!rc)
			rc = prune_projection(pruner, layer, (ps_projection)p, &weight, 0,
					      pruner->sweep->count);
		if (!rc)
			ps_progress_tick(pruner->context, "wanda, masks", "matrices",
					 (uint64_t)layer * PS_PROJECTIONS + (uint64_t)p + 1,
					 stats->layers * PS_PROJECTIONS);
	}
	return rc;
}

int ps_wanda_prune_dense(const ps_model_config *config, const ps_weight_lookup *weights,
			 const ps_wanda_stats *stats, const ps_prune_options *options,
			 const ps_prune_sweep *sweep, const ps_context *context, ps_arena *arena)
{
	struct pruner pruner = {
		.config = config, .options = options, .sweep = sweep, .context = context};
	size_t mark = ps_arena_mark(arena);
	int rc = check_options(&pruner);

	if (rc)
		return rc;
	create(&pruner, arena);
	for (int i = 0; !rc && i < PS_INPUTS; i++)
		if (stats->layers != config->layers || stats->cols[i] != pruner.cols[i])
			rc = ps_fail(context->diag, PS_EINPUT,
				     "the calibration statistics are of another model");
	for (int layer = 0; !rc && layer < (int)config->layers; layer++) {
		rc = ps_progress_check(context);
		if (!rc)
			rc = dense_layer(&pruner, layer, weights, stats);
	}
	ps_arena_rewind(arena, mark);
	return rc;
}

/* --- sequential calibration --- */

/* Collects the statistics of a dense layer, whose inputs are the outputs of one model's pruned
 * layers below. */
static int observe_layer(struct pruner *pruner, const ps_wanda_pass *pass, size_t model, int layer,
			 const struct meter *meter)
{
	struct observer observer = {.context = pruner->context};
	int rc;

	for (int i = 0; i < PS_INPUTS; i++) {
		observer.sum[i] = pruner->sum[i];
		observer.cols[i] = pruner->cols[i];
		memset(observer.sum[i], 0, observer.cols[i] * sizeof(double));
	}
	rc = compute(pass, model, layer, &observer, KEEP_HIDDEN, meter);
	/* locuslab/wanda divides by the number of windows, not of tokens. The order of the scores
	 * is the same except for rounding. We round as it does: one near-tie that is decided
	 * otherwise grows, layer by layer, to thousands. */
	if (!rc)
		divide_sums(&observer, pass->windows->count);
	for (int i = 0; !rc && i < PS_INPUTS; i++) {
		rc = check_means(pruner->context, layer, (ps_input)i, observer.sum[i],
				 observer.cols[i], PS_EFAILED);
		if (!rc)
			take_scale(pruner, (ps_input)i, observer.sum[i]);
	}
	return rc;
}

/* Half of the walks over the tokens observe a layer, half compute it. */
static void begin_walk(struct meter *meter, const struct pruner *pruner, const ps_wanda_pass *pass,
		       int layer, size_t walk)
{
	const uint64_t tokens = token_count(pass->windows);

	meter->begun = ((uint64_t)layer * 2 * pruner->sweep->count + walk) * tokens / 2;
}

/* The masks of a packed dense layer. The inputs of the first layer are the same in every model. */
static int mask_layer(struct pruner *pruner, const ps_wanda_pass *pass, int layer,
		      const ps_layer_weights *weights, struct meter *meter)
{
	const size_t together = layer ? 1 : pruner->sweep->count;
	int rc = 0;

	for (size_t i = 0; i < pruner->sweep->count && !rc; i += together) {
		begin_walk(meter, pruner, pass, layer, i);
		rc = observe_layer(pruner, pass, i, layer, meter);
		for (int p = 0; !rc && p < PS_PROJECTIONS; p++)
			rc = prune_projection(pruner, layer, (ps_projection)p,
					      &weights->projection[p], i, together);
	}
	return rc;
}

/* The bits by which a layer is pruned in a model when its outputs are computed. */
static const uint8_t *bits_below(const struct pruner *pruner, int layer, ps_projection projection,
				 size_t model)
{
	const ps_mask_lookup *assumed = pruner->sweep->assumed;

	return assumed ? assumed->find(assumed->self, layer, projection).bits
		       : pruner->bits[projection][model];
}

/* The outputs of a layer in every model, under its masks. */
static int advance_models(struct pruner *pruner, const ps_wanda_pass *pass, int layer,
			  ps_layer_weights *weights, struct meter *meter)
{
	const size_t count = pruner->sweep->count;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++) {
		begin_walk(meter, pruner, pass, layer, count + i);
		for (int p = 0; p < PS_PROJECTIONS; p++)
			weights->projection[p].edit.keep =
				bits_below(pruner, layer, (ps_projection)p, i);
		rc = ps_forward_pack(pass->forward, weights);
		if (!rc)
			rc = compute(pass, i, layer, NULL, REPLACE_HIDDEN, meter);
	}
	return rc;
}

/* The statistics of a layer, its masks, and then its outputs with the masks applied. */
static int sequential_layer(struct pruner *pruner, const ps_wanda_pass *pass, int layer,
			    ps_layer_weights *weights, struct meter *meter)
{
	int rc = ps_forward_pack(pass->forward, weights);

	if (!rc)
		rc = mask_layer(pruner, pass, layer, weights, meter);
	if (rc || layer + 1 == (int)pruner->config->layers)
		return rc;
	return advance_models(pruner, pass, layer, weights, meter);
}

/* Every model begins with the same hidden states. */
static int embed_models(const struct pruner *pruner, const ps_wanda_pass *pass)
{
	const size_t values = token_count(pass->windows) * pruner->config->width;
	int rc = ps_forward_embed(pass->forward, pass->windows, pass->hidden);

	for (size_t i = 1; i < pruner->sweep->count && !rc; i++)
		memcpy(hidden_of(pass, i), pass->hidden, values * sizeof *pass->hidden);
	return rc;
}

static int sequential_layers(struct pruner *pruner, const ps_wanda_pass *pass)
{
	const ps_weight_source *source = pass->source;
	const int layers = (int)pruner->config->layers;
	struct meter meter = {.context = pruner->context,
			      .what = "wanda, tokens x layers",
			      .total = token_count(pass->windows) * (uint64_t)layers *
				       pruner->sweep->count,
			      .divisor = 2};
	int rc;

	tick(&meter, 0);
	rc = embed_models(pruner, pass);
	for (int layer = 0; !rc && layer < layers; layer++) {
		ps_layer_weights weights;

		rc = ps_progress_check(pruner->context);
		if (rc)
			return rc;
		rc = source->acquire_layer(source->self, layer, layer + 1 < layers ? layer + 1 : -1,
					   &weights, pruner->context->diag);
		if (rc)
			return rc;
		rc = sequential_layer(pruner, pass, layer, &weights, &meter);
		source->release_layer(source->self, layer);
		begin_walk(&meter, pruner, pass, layer + 1, 0);
		if (!rc)
			tick(&meter, 0);
	}
	return rc;
}

int ps_wanda_prune_sequential(const ps_wanda_pass *pass, const ps_prune_options *options,
			      const ps_prune_sweep *sweep, const ps_context *context,
			      ps_arena *arena)
{
	struct pruner pruner = {.config = ps_forward_config(pass->forward),
				.options = options,
				.sweep = sweep,
				.context = context};
	size_t mark = ps_arena_mark(arena);
	int rc = check_options(&pruner);

	if (!rc)
		rc = check_tokens(pass->windows, context->diag);
	if (rc)
		return rc;
	create(&pruner, arena);
	rc = sequential_layers(&pruner, pass);
	ps_arena_rewind(arena, mark);
	return rc;
}
