#include "prune/magnitude.h"

#include "core/base/checked.h"
#include "prune/masker.h"

struct run {
	const ps_model_config *config;
	const ps_weight_lookup *weights;
	const ps_prune_options *options;
	const ps_prune_sweep *sweep;
	const ps_context *context;
	ps_masker masker;
	/* of a projection, for each sparsity: */
	uint8_t *bits[PS_HISTOGRAM_RANKS];
	uint64_t dropped[PS_HISTOGRAM_RANKS];
};

/* A step of the threshold over one matrix of the pool. */
typedef int (*pool_step)(ps_masker *masker, const ps_scored *matrix);

/* The list of its memory: counted without an arena, taken with one. */
static size_t lay_out(struct run *run, int threads, size_t count, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	ps_masker_lay_out(&run->masker, run->config, threads, count, &layout);
	for (size_t i = 0; i < count; i++)
		run->bits[i] = ps_layout_part(&layout, ps_masker_largest_bitmap(run->config), 1);
	return layout.bytes;
}

size_t ps_magnitude_bytes(const ps_model_config *config, int threads, size_t count)
{
	struct run run = {.config = config};

	return lay_out(&run, threads, count, NULL);
}

static int find(const struct run *run, int layer, ps_projection projection, ps_scored *matrix,
		char *name)
{
	*matrix = (ps_scored){.name = ps_projection_tensor(layer, projection, name)};
	return run->weights->projection(run->weights->self, layer, projection, &matrix->weight,
					run->context->diag);
}

/* Runs a step over every projection, and over the embedding if it is in the pool. *count: the
 * number of weights. what: the step's name in the progress. */
static int over_pool(struct run *run, pool_step one, const char *what, uint64_t *count)
{
	char name[96];
	ps_scored matrix;
	int rc, layers = (int)run->config->layers;

	*count = 0;
	ps_progress_tick(run->context, what, "layers", 0, run->config->layers);
	for (int layer = 0; layer < layers; layer++) {
		rc = ps_progress_check(run->context);
		if (rc)
			return rc;
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			rc = find(run, layer, (ps_projection)p, &matrix, name);
			if (!rc)
				rc = one(&run->masker, &matrix);
			if (rc)
				return rc;
			*count += (uint64_t)matrix.weight.rows * matrix.weight.cols;
		}
		ps_progress_tick(run->context, what, "layers", (uint64_t)layer + 1,
				 run->config->layers);
	}
	if (!run->options->pool_embedding)
		return 0;
	matrix = (ps_scored){.name = "model.embed_tokens.weight"};
	rc = run->weights->embedding(run->weights->self, &matrix.weight, run->context->diag);
	if (rc)
		return rc;
	*count += (uint64_t)matrix.weight.rows * matrix.weight.cols;
	return one(&run->masker, &matrix);
}

static int global_thresholds(struct run *run, float *threshold)
{
	uint64_t count;
	int rc;

	ps_masker_threshold_begin(&run->masker);
	rc = over_pool(run, ps_masker_add_upper, "magnitude, first count", &count);
	if (rc)
		return rc;
	if (ps_masker_end_upper(&run->masker, count, run->sweep->sparsity))
		rc = over_pool(run, ps_masker_add_lower, "magnitude, second count", &count);
	if (rc)
		return rc;
	ps_masker_threshold_end(&run->masker, run->sweep->sparsity, threshold);
	return 0;
}

/* thresholds NULL: by row, by matrix or N:M, as the options say. */
static int prune_layer(struct run *run, int layer, const float *thresholds)
{
	const ps_masker_bits out = {run->sweep->count, run->sweep->sparsity, run->bits,
				    run->dropped};
	char name[96];
	ps_scored matrix;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		int rc = find(run, layer, (ps_projection)p, &matrix, name);

		if (rc)
			return rc;
		if (thresholds)
			rc = ps_masker_apply_threshold(&run->masker, &matrix, thresholds, &out);
		else
			rc = ps_masker_matrix(&run->masker, &matrix, run->options, &out);
		if (!rc)
			rc = ps_masker_emit(run->context, layer, (ps_projection)p, &matrix.weight,
					    &out, run->sweep->sink);
		if (rc)
			return rc;
	}
	return 0;
}

int ps_magnitude_prune(const ps_model_config *config, const ps_weight_lookup *weights,
		       const ps_prune_options *options, const ps_prune_sweep *sweep,
		       const ps_context *context, ps_arena *arena)
{
	struct run run = {.config = config,
			  .weights = weights,
			  .options = options,
			  .sweep = sweep,
			  .context = context};
	bool global = !options->m && options->scope == PS_SCOPE_GLOBAL;
	float thresholds[PS_HISTOGRAM_RANKS];
	size_t mark = ps_arena_mark(arena);
	int rc = ps_masker_check_options(config, options, sweep, context->diag);

	if (rc)
		return rc;
	lay_out(&run, ps_pool_threads(context->pool), sweep->count, arena);
	run.masker.context = context;
	if (global)
		rc = global_thresholds(&run, thresholds);
	if (!rc)
		ps_progress_tick(context, "magnitude, layer", "layers", 0, config->layers);
	for (int layer = 0; !rc && layer < (int)config->layers; layer++) {
		rc = ps_progress_check(context);
		if (!rc)
			rc = prune_layer(&run, layer, global ? thresholds : NULL);
		if (!rc)
			ps_progress_tick(context, "magnitude, layer", "layers", (uint64_t)layer + 1,
					 config->layers);
	}
	ps_arena_rewind(arena, mark);
	return rc;
}
