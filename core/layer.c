#include "core/layer.h"

#include "core/attention.h"
#include "core/checked.h"
#include "core/ops.h"

#define ROW_BLOCK 16 /* rows of one item in row-wise loops */
#define QUERY_ROWS 64 /* queries of one item in attention */

/* What the row-wise loops of a chunk share. */
struct chunk {
	ps_layer_work *work;
	size_t rows, blocks;
	bool sliding;
	const float *cos_table, *sin_table;
	float *q, *k, *v, *mixed; /* attention's use of wide */
	float *gate, *up;         /* the MLP's */
};

/* dst = base + post(normed), then normed = norm(dst). */
struct residual {
	const struct chunk *chunk;
	const float *base;
	float *dst;
	const float *post_gain, *next_gain; /* NULL: left out */
};

static size_t query_width(const ps_model_config *config)
{
	return config->heads * config->head_width;
}

static size_t key_width(const ps_model_config *config)
{
	return config->kv_heads * config->head_width;
}

static size_t wide_width(const ps_model_config *config)
{
	return ps_max_size(2 * query_width(config) + 2 * key_width(config), 2 * config->mlp_width);
}

static size_t widest_input(const ps_model_config *config)
{
	return ps_max_size(config->width, ps_max_size(query_width(config), config->mlp_width));
}

/* Takes bytes from the arena, or with none only counts them. */
static void *part(ps_arena *arena, size_t *total, size_t bytes)
{
	*total += ps_round_up(bytes, PS_ALIGN);
	return arena ? ps_arena_take(arena, bytes) : NULL;
}

static float *floats(ps_arena *arena, size_t *total, size_t count)
{
	return part(arena, total, count * sizeof(float));
}

/* The one list of the workspace's parts: counted for the plan, taken at creation. */
static size_t lay_out(ps_layer_work *work, const ps_model_config *config, int threads, size_t max_window,
		      size_t chunk_tokens, ps_arena *arena)
{
	size_t total = 0, table = max_window * (config->head_width / 2);
	char name[96];

	work->scratch_floats = ps_round_up(ps_attention_scratch(max_window, config->head_width), PS_ALIGN / sizeof(float));
	work->cos_global = floats(arena, &total, table);
	work->sin_global = floats(arena, &total, table);
	work->cos_local = floats(arena, &total, table);
	work->sin_local = floats(arena, &total, table);
	for (int n = 0; n < PS_NORMS; n++)
		if (ps_norm_tensor(config->family, 0, (ps_norm)n, name))
			work->gain[n] = floats(arena, &total, ps_norm_length(config, (ps_norm)n));
	work->normed = floats(arena, &total, chunk_tokens * config->width);
	work->mid = floats(arena, &total, chunk_tokens * config->width);
	work->wide = floats(arena, &total, chunk_tokens * wide_width(config));
	work->scratch = floats(arena, &total, (size_t)threads * work->scratch_floats);
	work->position = part(arena, &total, chunk_tokens * sizeof *work->position);
	work->block = part(arena, &total, chunk_tokens * sizeof *work->block);
	return total;
}

size_t ps_layer_bytes(const ps_model_config *config, int threads, size_t max_window, size_t chunk_tokens)
{
	ps_layer_work work = {0};

	return lay_out(&work, config, threads, max_window, chunk_tokens, NULL) +
	       ps_round_up(ps_matmul_bytes(threads, chunk_tokens, widest_input(config)), PS_ALIGN);
}

int ps_layer_create(ps_layer_work *work, const ps_model_config *config, const ps_context *context, size_t max_window,
		    size_t chunk_tokens, ps_arena *arena)
{
	int threads = ps_pool_threads(context->pool);

	*work = (ps_layer_work){.config = config, .context = context, .max_window = max_window, .chunk_tokens = chunk_tokens};
	if (ps_layer_bytes(config, threads, max_window, chunk_tokens) > arena->size_bytes - arena->used_bytes)
		return ps_fail(context->diag, PS_EFAILED, "the arena is too small for the forward pass");
	lay_out(work, config, threads, max_window, chunk_tokens, arena);
	ps_rope_table(&config->rope_global, config->head_width, max_window, work->cos_global, work->sin_global);
	ps_rope_table(&config->rope_local, config->head_width, max_window, work->cos_local, work->sin_local);
	return ps_matmul_create(&work->matmul, context->pool, chunk_tokens, widest_input(config), arena, context->diag);
}

void ps_layer_begin(ps_layer_work *work, const ps_layer_weights *weights)
{
	for (int n = 0; n < PS_NORMS; n++)
		if (work->gain[n])
			ps_widen(weights->norm[n].data, weights->norm[n].dtype, ps_norm_length(work->config, (ps_norm)n),
				 work->gain[n]);
}

/* Cuts the chunk's windows into query blocks; returns the number of rows. */
static void find_blocks(struct chunk *chunk, const ps_windows *windows, size_t first, size_t last)
{
	ps_layer_work *work = chunk->work;

	for (size_t w = first; w < last; w++) {
		size_t tokens = windows->start[w + 1] - windows->start[w], row = windows->start[w] - windows->start[first];

		for (size_t t = 0; t < tokens; t++)
			work->position[row + t] = t;
		for (size_t query = 0; query < tokens; query += QUERY_ROWS)
			work->block[chunk->blocks++] = (ps_query_block){
				.first_row = row,
				.tokens = tokens,
				.first_query = query,
				.count = ps_min_size(QUERY_ROWS, tokens - query),
			};
	}
}

static struct chunk open_chunk(ps_layer_work *work, int layer, const ps_windows *windows, size_t first, size_t last)
{
	const ps_model_config *config = work->config;
	bool sliding = config->sliding[layer];
	struct chunk chunk = {
		.work = work,
		.rows = windows->start[last] - windows->start[first],
		.sliding = sliding,
		.cos_table = sliding ? work->cos_local : work->cos_global,
		.sin_table = sliding ? work->sin_local : work->sin_global,
		.q = work->wide,
		.gate = work->wide,
	};

	chunk.k = chunk.q + chunk.rows * query_width(config);
	chunk.v = chunk.k + chunk.rows * key_width(config);
	chunk.mixed = chunk.v + chunk.rows * key_width(config);
	chunk.up = chunk.gate + chunk.rows * config->mlp_width;
	find_blocks(&chunk, windows, first, last);
	return chunk;
}

static void run_rows(const struct chunk *chunk, ps_pool_fn fn, void *context)
{
	ps_pool_run(chunk->work->context->pool, (chunk->rows + ROW_BLOCK - 1) / ROW_BLOCK, fn, context);
}

static void norm(const ps_layer_work *work, const float *x, const float *gain, size_t n, float *out)
{
	ps_rms_norm(x, gain, n, work->config->norm_eps, work->config->family != PS_FAMILY_LLAMA, out);
}

static void residual_rows(void *context, size_t item, int worker)
{
	const struct residual *r = context;
	const ps_layer_work *work = r->chunk->work;
	const size_t width = work->config->width, last = ps_min_size(r->chunk->rows, (item + 1) * ROW_BLOCK);

	(void)worker;
	for (size_t row = item * ROW_BLOCK; row < last; row++) {
		float *x = work->normed + row * width, *dst = r->dst + row * width;
		const float *base = r->base + row * width;

		if (r->post_gain)
			norm(work, x, r->post_gain, width, x);
		for (size_t i = 0; i < width; i++)
			dst[i] = base[i] + x[i];
		if (r->next_gain)
			norm(work, dst, r->next_gain, width, x);
	}
}

/* normed = norm(base), where a layer begins. */
static void input_norm_rows(void *context, size_t item, int worker)
{
	const struct residual *r = context;
	const ps_layer_work *work = r->chunk->work;
	const size_t width = work->config->width, last = ps_min_size(r->chunk->rows, (item + 1) * ROW_BLOCK);

	(void)worker;
	for (size_t row = item * ROW_BLOCK; row < last; row++)
		norm(work, r->base + row * width, r->next_gain, width, work->normed + row * width);
}

/* The heads of one row: normed where there is a gain, then rotated. */
static void turn_heads(const struct chunk *chunk, float *heads, size_t count, const float *gain, size_t position)
{
	const ps_layer_work *work = chunk->work;
	const size_t width = work->config->head_width, half = width / 2;

	for (size_t h = 0; h < count; h++, heads += width) {
		if (gain)
			norm(work, heads, gain, width, heads);
		ps_rope_apply(heads, width, chunk->cos_table + position * half, chunk->sin_table + position * half);
	}
}

static void turn_rows(void *context, size_t item, int worker)
{
	const struct chunk *chunk = context;
	const ps_layer_work *work = chunk->work;
	const ps_model_config *config = work->config;
	const size_t last = ps_min_size(chunk->rows, (item + 1) * ROW_BLOCK);

	(void)worker;
	for (size_t row = item * ROW_BLOCK; row < last; row++) {
		turn_heads(chunk, chunk->q + row * query_width(config), config->heads, work->gain[PS_NORM_Q], work->position[row]);
		turn_heads(chunk, chunk->k + row * key_width(config), config->kv_heads, work->gain[PS_NORM_K],
			   work->position[row]);
	}
}

/* item: a query block and a head; heads that share keys and values follow each other. */
static void attend(void *context, size_t item, int worker)
{
	const struct chunk *chunk = context;
	const ps_layer_work *work = chunk->work;
	const ps_model_config *config = work->config;
	const ps_query_block *block = &work->block[item / config->heads];
	const size_t head = item % config->heads, key_head = head / (config->heads / config->kv_heads);
	const size_t query = block->first_row * query_width(config) + head * config->head_width;
	const size_t key = block->first_row * key_width(config) + key_head * config->head_width;
	const ps_attention attention = {
		.head_width = config->head_width,
		.tokens = block->tokens,
		.sliding = chunk->sliding ? config->sliding_window : 0,
		.scale = config->attention_scale,
		.softcap = config->attention_softcap,
		.q = chunk->q + query, .q_stride = query_width(config),
		.k = chunk->k + key, .k_stride = key_width(config),
		.v = chunk->v + key, .v_stride = key_width(config),
		.out = chunk->mixed + query, .out_stride = query_width(config),
	};

	ps_attention_run(&attention, block->first_query, block->count, work->scratch + (size_t)worker * work->scratch_floats);
}

static void gate_rows(void *context, size_t item, int worker)
{
	const struct chunk *chunk = context;
	const ps_model_config *config = chunk->work->config;
	const size_t first = item * ROW_BLOCK, rows = ps_min_size(ROW_BLOCK, chunk->rows - first);
	float *gate = chunk->gate + first * config->mlp_width;
	const float *up = chunk->up + first * config->mlp_width;

	(void)worker;
	if (config->gelu)
		ps_gate_gelu(gate, up, rows * config->mlp_width, gate);
	else
		ps_gate_silu(gate, up, rows * config->mlp_width, gate);
}

/* y (rows, out) = x W^T, all rows packed densely. */
static void project(const struct chunk *chunk, const ps_layer_weights *weights, ps_projection projection, const float *x, float *y)
{
	const ps_weight *w = &weights->projection[projection];

	ps_matmul_run(chunk->work->matmul, x, w->cols, chunk->rows, w, y, w->rows, false);
}

static int show(ps_input_fn observe, void *context, ps_input input, const float *x, size_t rows, size_t cols)
{
	return observe ? observe(context, input, x, rows, cols) : 0;
}

/* normed = the attention's contribution, from normed. */
static int run_attention(struct chunk *chunk, const ps_layer_weights *weights, ps_input_fn observe, void *observe_context)
{
	ps_layer_work *work = chunk->work;
	int rc = show(observe, observe_context, PS_INPUT_ATTENTION, work->normed, chunk->rows, work->config->width);

	if (rc)
		return rc;
	project(chunk, weights, PS_Q, work->normed, chunk->q);
	project(chunk, weights, PS_K, work->normed, chunk->k);
	project(chunk, weights, PS_V, work->normed, chunk->v);
	run_rows(chunk, turn_rows, chunk);
	ps_pool_run(work->context->pool, chunk->blocks * work->config->heads, attend, chunk);
	rc = show(observe, observe_context, PS_INPUT_O, chunk->mixed, chunk->rows, query_width(work->config));
	if (!rc)
		project(chunk, weights, PS_O, chunk->mixed, work->normed);
	return rc;
}

/* gate = the input of the down projection, from normed. */
static int run_gate(struct chunk *chunk, const ps_layer_weights *weights, ps_input_fn observe, void *observe_context)
{
	ps_layer_work *work = chunk->work;
	int rc = show(observe, observe_context, PS_INPUT_MLP, work->normed, chunk->rows, work->config->width);

	if (rc)
		return rc;
	project(chunk, weights, PS_GATE, work->normed, chunk->gate);
	project(chunk, weights, PS_UP, work->normed, chunk->up);
	run_rows(chunk, gate_rows, chunk);
	return show(observe, observe_context, PS_INPUT_DOWN, chunk->gate, chunk->rows, work->config->mlp_width);
}

int ps_layer_chunk(ps_layer_work *work, int layer, const ps_layer_weights *weights, const ps_windows *windows,
		   size_t first, size_t last, const float *in, float *out, ps_input_fn observe, void *observe_context)
{
	const bool llama = work->config->family == PS_FAMILY_LLAMA;
	struct chunk chunk = open_chunk(work, layer, windows, first, last);
	struct residual begin = {.chunk = &chunk, .base = in, .next_gain = work->gain[PS_NORM_INPUT]};
	struct residual middle = {
		.chunk = &chunk,
		.base = in,
		.dst = work->mid,
		.post_gain = llama ? NULL : work->gain[PS_NORM_POST_ATTENTION],
		.next_gain = work->gain[llama ? PS_NORM_POST_ATTENTION : PS_NORM_PRE_MLP],
	};
	struct residual end = {.chunk = &chunk, .base = work->mid, .dst = out, .post_gain = work->gain[PS_NORM_POST_MLP]};
	int rc;

	run_rows(&chunk, input_norm_rows, &begin);
	rc = run_attention(&chunk, weights, observe, observe_context);
	if (rc)
		return rc;
	run_rows(&chunk, residual_rows, &middle);
	rc = run_gate(&chunk, weights, observe, observe_context);
	if (rc || !out)
		return rc;
	project(&chunk, weights, PS_DOWN, chunk.gate, work->normed);
	run_rows(&chunk, residual_rows, &end);
	return 0;
}
