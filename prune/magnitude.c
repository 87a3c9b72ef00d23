#include "prune/magnitude.h"

#include "core/base/checked.h"
#include "prune/masker.h"

struct run {
	const ps_model_config *config;
	const ps_weight_lookup *weights;
	const ps_prune_options *options;
	const ps_context *context;
	ps_masker masker;
	uint8_t *bits; /* one projection's bitmap */
};

/* One step over a matrix of the pool. */
typedef int (*pool_step)(ps_masker *masker, const ps_scored *matrix);

size_t ps_magnitude_bytes(const ps_model_config *config, int threads)
{
	return ps_masker_bytes(config, threads) +
	       ps_round_up(ps_masker_largest_bitmap(config), PS_ALIGN);
}

static int create(struct run *run, ps_arena *arena)
{
	int code = ps_masker_create(&run->masker, run->config, run->context, arena);

	if (code)
		return code;
	run->bits = ps_arena_take(arena, ps_masker_largest_bitmap(run->config));
	if (!run->bits)
		return ps_fail(run->context->diag, PS_EFAILED, "the arena is too small for a mask");
	return 0;
}

static int find(const struct run *run, int layer, ps_projection projection, ps_scored *matrix,
		char *name)
{
	*matrix = (ps_scored){.name = ps_projection_tensor(layer, projection, name)};
	return run->weights->projection(run->weights->self, layer, projection, &matrix->weight,
					run->context->diag);
}

/* Runs a step over every projection and, when it is in the pool, the embedding; adds up the elements. */
static int over_pool(struct run *run, pool_step one, const char *what, uint64_t *count)
{
	char name[96];
	ps_scored matrix;
	int code, layers = (int)run->config->layers;

	*count = 0;
	for (int layer = 0; layer < layers; layer++) {
		code = ps_progress_check(run->context);
		if (code)
			return code;
		for (int p = 0; p < PS_PROJECTIONS; p++) {
			code = find(run, layer, (ps_projection)p, &matrix, name);
			if (!code)
				code = one(&run->masker, &matrix);
			if (code)
				return code;
			*count += (uint64_t)matrix.weight.rows * matrix.weight.cols;
		}
		ps_progress_tick(run->context, what, "layers", (uint64_t)layer + 1,
				 run->config->layers);
	}
	if (!run->options->pool_embedding)
		return 0;
	matrix = (ps_scored){.name = "model.embed_tokens.weight"};
	code = run->weights->embedding(run->weights->self, &matrix.weight, run->context->diag);
	if (code)
		return code;
	*count += (uint64_t)matrix.weight.rows * matrix.weight.cols;
	return one(&run->masker, &matrix);
}

static int global_threshold(struct run *run, float *threshold)
{
	uint64_t count;
	int code;

	ps_masker_threshold_begin(&run->masker);
	code = over_pool(run, ps_masker_add_upper, "magnitude, first count", &count);
	if (code)
		return code;
	ps_masker_end_upper(&run->masker, count, run->options->sparsity);
	code = over_pool(run, ps_masker_add_lower, "magnitude, second count", &count);
	if (code)
		return code;
	*threshold = ps_masker_threshold_end(&run->masker);
	return 0;
}

static int prune_layer(struct run *run, int layer, const float *threshold, ps_mask_sink sink,
		       void *sink_context)
{
	char name[96];
	ps_scored matrix;

	for (int p = 0; p < PS_PROJECTIONS; p++) {
		int code = find(run, layer, (ps_projection)p, &matrix, name);

		if (code)
			return code;
		if (threshold)
			code = ps_masker_apply_threshold(&run->masker, &matrix, *threshold,
							 run->bits);
		else
			code = ps_masker_matrix(&run->masker, &matrix, run->options, run->bits);
		if (!code)
			code = ps_masker_emit(&matrix.weight, layer, (ps_projection)p, run->bits,
					      sink, sink_context);
		if (code)
			return code;
	}
	return 0;
}

int ps_magnitude_prune(const ps_model_config *config, const ps_weight_lookup *weights,
		       const ps_prune_options *options, const ps_context *context, ps_arena *arena,
		       ps_mask_sink sink, void *sink_context)
{
	struct run run = {
		.config = config, .weights = weights, .options = options, .context = context};
	bool global = !options->m && options->scope == PS_SCOPE_GLOBAL;
	/* Nothing is at or below it: S = 0 drops nothing. */
	float threshold = -1;
	size_t mark = ps_arena_mark(arena);
	int code = ps_masker_check_options(config, options, context->diag);

	if (code)
		return code;
	code = create(&run, arena);
	if (!code && global && options->sparsity > 0)
		code = global_threshold(&run, &threshold);
	for (int layer = 0; !code && layer < (int)config->layers; layer++) {
		code = ps_progress_check(context);
		if (!code)
			code = prune_layer(&run, layer, global ? &threshold : NULL, sink,
					   sink_context);
		if (!code)
			ps_progress_tick(context, "magnitude, layer", "layers", (uint64_t)layer + 1,
					 config->layers);
	}
	ps_arena_rewind(arena, mark);
	return code;
}
