#include "core/model/forward.h"

#include <math.h>

#include "core/base/checked.h"
#include "core/model/layer.h"

#define EMBED_BATCH 1024 /* ids that the source gets at a time */

struct ps_forward {
	const ps_model_config *config;
	const ps_weight_source *source;
	const ps_context *context;
	ps_layer_work work;
	ps_forward_walk walk; /* of the next packed layer; all 0: without progress */
};

ps_input ps_input_of(ps_projection projection)
{
	static const ps_input input[PS_PROJECTIONS] = {
		[PS_Q] = PS_INPUT_ATTENTION, [PS_K] = PS_INPUT_ATTENTION,
		[PS_V] = PS_INPUT_ATTENTION, [PS_O] = PS_INPUT_O,
		[PS_GATE] = PS_INPUT_MLP,    [PS_UP] = PS_INPUT_MLP,
		[PS_DOWN] = PS_INPUT_DOWN,
	};

	return input[projection];
}

static ps_forward *take_forward(ps_layout *layout)
{
	return ps_layout_part(layout, 1, sizeof(ps_forward));
}

size_t ps_forward_bytes(const ps_model_config *config, int threads,
			const ps_forward_options *options)
{
	ps_layout layout = {0};

	(void)take_forward(&layout);
	return layout.bytes + ps_layer_bytes(config, threads, options);
}

ps_forward *ps_forward_create(const ps_model_config *config, const ps_weight_source *source,
			      const ps_context *context, const ps_forward_options *options,
			      ps_arena *arena)
{
	ps_layout layout = {.arena = arena};
	ps_forward *forward = take_forward(&layout);

	*forward = (ps_forward){.config = config, .source = source, .context = context};
	ps_layer_create(&forward->work, config, context, options, arena);
	return forward;
}

const ps_model_config *ps_forward_config(const ps_forward *forward)
{
	return forward->config;
}

static int check_ids(const ps_forward *forward, const ps_windows *windows)
{
	for (size_t w = 0; w < windows->count; w++)
		for (size_t i = windows->start[w]; i < windows->start[w + 1]; i++)
			if (windows->ids[i] < 0 ||
			    (size_t)windows->ids[i] >= forward->config->vocab)
				return ps_fail(forward->context->diag, PS_EINPUT,
					       "window %zu, position %zu: token id %d is outside "
					       "the vocabulary of %zu",
					       windows->first_window + w, i - windows->start[w],
					       (int)windows->ids[i], forward->config->vocab);
	return 0;
}

struct scaling {
	float *hidden, factor;
	size_t rows, width;
};

static void scale_rows(void *context, size_t item, int worker)
{
	const struct scaling *s = context;
	size_t last = ps_min_size(s->rows, (item + 1) * EMBED_BATCH) * s->width;

	(void)worker;
	for (size_t i = item * EMBED_BATCH * s->width; i < last; i++)
		s->hidden[i] *= s->factor;
}

int ps_forward_embed(ps_forward *forward, const ps_windows *windows, float *hidden)
{
	const ps_model_config *config = forward->config;
	const ps_weight_source *source = forward->source;
	const size_t rows = windows->start[windows->count];
	struct scaling scaling = {hidden, (float)sqrt((double)config->width), rows, config->width};
	int rc = check_ids(forward, windows);

	for (size_t first = 0; !rc && first < rows; first += EMBED_BATCH)
		rc = source->embedding_rows(source->self, windows->ids + first,
					    ps_min_size(EMBED_BATCH, rows - first),
					    hidden + first * config->width, forward->context->diag);
	if (!rc && config->family != PS_FAMILY_LLAMA)
		ps_pool_run(forward->context->pool, ps_div_up(rows, EMBED_BATCH), scale_rows,
			    &scaling);
	return rc;
}

void ps_forward_expect(ps_forward *forward, const ps_forward_walk *walk)
{
	forward->walk = *walk;
}

/* Progress in tokens: those that went through a part of the walks count in proportion. */
static void tick(const ps_forward *forward, size_t rows_done, size_t rows)
{
	const ps_forward_walk *walk = &forward->walk;

	if (walk->all)
		ps_progress_tick(forward->context, "forward pass", "tok",
				 walk->tokens_done +
					 (walk->done * (uint64_t)rows + rows_done) / walk->all,
				 walk->tokens);
}

static size_t wanted_rows(const ps_windows *windows)
{
	size_t rows = windows->start[windows->count] - windows->start[0];

	for (size_t w = 0; windows->wanted && w < windows->count; w++)
		rows -= ps_min_size(windows->wanted[w], windows->start[w + 1] - windows->start[w]);
	return rows;
}

int ps_forward_pack(ps_forward *forward, const ps_layer_weights *weights)
{
	return ps_layer_begin(&forward->work, weights);
}

/* Windows [first, last) of a pass. */
static ps_windows part_of(const ps_windows *windows, size_t first, size_t last)
{
	ps_windows part = *windows;

	part.start += first;
	part.count = last - first;
	part.first_window += first;
	if (part.wanted)
		part.wanted += first;
	return part;
}

int ps_forward_packed(ps_forward *forward, int layer, const ps_windows *windows, const float *in,
		      float *out, const ps_observer *observer)
{
	const size_t width = forward->config->width, rows = windows->start[windows->count];
	size_t last, out_row = 0;
	int rc;

	for (size_t first = 0; first < windows->count; first = last) {
		ps_windows chunk;

		last = ps_layer_chunk_end(&forward->work, windows, first);
		if (last == first)
			return ps_fail(forward->context->diag, PS_EFAILED,
				       "window %zu is longer than the %zu tokens planned for",
				       first, forward->work.max_window);
		chunk = part_of(windows, first, last);
		rc = ps_progress_check(forward->context);
		if (!rc)
			rc = ps_layer_chunk(&forward->work, layer, &chunk,
					    in + windows->start[first] * width,
					    out ? out + out_row * width : NULL, observer);
		if (rc)
			return rc;
		out_row += wanted_rows(&chunk);
		tick(forward, windows->start[last], rows);
	}
	return 0;
}

int ps_forward_layer(ps_forward *forward, int layer, const ps_layer_weights *weights,
		     const ps_windows *windows, const float *in, float *out,
		     const ps_observer *observer)
{
	int rc = ps_forward_pack(forward, weights);

	return rc ? rc : ps_forward_packed(forward, layer, windows, in, out, observer);
}

/* Releases the weights once they are packed: the source then reads the next layer while this one
 * computes. */
static int run_layer(ps_forward *forward, int layer, int next, const ps_windows *windows,
		     float *hidden)
{
	const ps_weight_source *source = forward->source;
	ps_layer_weights weights;
	int rc = source->acquire_layer(source->self, layer, next, &weights, forward->context->diag);

	if (rc)
		return rc;
	rc = ps_forward_pack(forward, &weights);
	source->release_layer(source->self, layer);
	return rc ? rc : ps_forward_packed(forward, layer, windows, hidden, hidden, NULL);
}

int ps_forward_layers(ps_forward *forward, int first, int last, int prefetch_after,
		      const ps_windows *windows, float *hidden)
{
	ps_windows all = *windows;
	int rc = 0;

	all.wanted = NULL;
	for (int layer = first; !rc && layer <= last; layer++) {
		forward->walk = (ps_forward_walk){.done = (size_t)(layer - first),
						  .all = (size_t)(last - first + 1),
						  .tokens = windows->start[windows->count]};
		rc = run_layer(forward, layer, layer < last ? layer + 1 : prefetch_after,
			       layer < last ? &all : windows, hidden);
	}
	forward->walk = (ps_forward_walk){0};
	return rc;
}
