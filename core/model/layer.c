#include "core/model/layer.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"
#include "core/model/attention.h"
#include "core/model/ops.h"

#define ROW_BLOCK 16    /* rows of an item, in loops over rows */
#define BLOCK_TOKENS 64 /* tokens of an item of attention, at least */

/* What the loops over a chunk share. */
struct chunk {
	ps_layer_work *work;
	size_t rows;    /* all have keys and values */
	size_t queries; /* those of them that are wanted */
	size_t blocks;
	bool sliding;
	const float *cos_table, *sin_table;
	const float *in;
	float *q, *kv; /* in wide; mixed takes q's place */
};

/* dst[row] = base[row] + post(y[row]); then the next norm of dst[row], packed. */
struct residual {
	const struct chunk *chunk;
	const float *base;
	const size_t *base_row; /* which row of base belongs to a row; NULL: the same */
	const float *y;         /* NULL: no sum, base itself is normed */
	float *dst;
	const float *post_gain, *next_gain; /* NULL: left out */
	size_t rows;
	uint32_t *packed;
	bool *overflowed; /* becomes true if a row of dst is not finite; NULL: nobody looks */
};

/* Rows to be packed as X. */
struct row_packing {
	const struct chunk *chunk;
	const float *x;
	size_t cols, rows;
	uint32_t *packed;
};

static size_t query_width(const ps_model_config *config)
{
	return config->heads * config->head_width;
}

static size_t key_width(const ps_model_config *config)
{
	return config->kv_heads * config->head_width;
}

static size_t widest_input(const ps_model_config *config)
{
	return ps_max_size(config->width, ps_max_size(query_width(config), config->mlp_width));
}

static size_t wide_floats(const ps_model_config *config, const ps_kernel *kernel,
			  size_t chunk_tokens)
{
	size_t widest = ps_max_size(query_width(config) + 2 * key_width(config), config->width);

	if (ps_packing_in_blocks(kernel->packing))
		widest = ps_max_size(widest, config->mlp_width);
	return ps_max_size(chunk_tokens * widest, kernel->x_panel * widest_input(config));
}

/* Tokens of a block: a whole number of panels of queries, and of keys. */
static size_t block_tokens(const ps_kernel *kernel)
{
	size_t common = kernel->x_panel;

	while (common % kernel->w_panel)
		common += kernel->x_panel;
	return ps_round_up(BLOCK_TOKENS, common);
}

static size_t window_key_words(const ps_layer_work *work, size_t tokens)
{
	return work->config->kv_heads *
	       ps_keys_words(&work->attention, tokens, work->config->head_width);
}

static void product_shape(const ps_model_config *config, const ps_kernel *kernel,
			  ps_product_name product, size_t *rows, size_t *cols)
{
	const size_t shape[PS_PRODUCTS][2] = {
		[PS_PRODUCT_Q] = {query_width(config), config->width},
		[PS_PRODUCT_KV] = {2 * key_width(config), config->width},
		[PS_PRODUCT_O] = {config->width, query_width(config)},
		[PS_PRODUCT_GATE_UP] = {ps_panels_paired_rows(kernel, config->mlp_width),
					config->width},
		[PS_PRODUCT_DOWN] = {config->width, config->mlp_width},
	};

	*rows = shape[product][0];
	*cols = shape[product][1];
}

static float *floats(ps_layout *layout, size_t count)
{
	return ps_layout_part(layout, count, sizeof(float));
}

static uint32_t *x_panels(ps_layout *layout, const ps_kernel *kernel, size_t tokens, size_t cols)
{
	return ps_layout_part(
		layout, ps_round_up(tokens, kernel->x_panel) * ps_slices(kernel->packing, cols),
		sizeof(uint32_t));
}

static void lay_out_panels(ps_layer_work *work, const ps_kernel *kernel, ps_dtype weights,
			   ps_layout *layout)
{
	for (int p = 0; p < PS_PRODUCTS; p++) {
		ps_panels *panels = &work->panels[p];

		*panels = (ps_panels){.kernel = kernel,
				      .packing = ps_panels_packing(kernel, weights)};
		product_shape(work->config, kernel, (ps_product_name)p, &panels->rows,
			      &panels->cols);
		panels->data = ps_layout_part(
			layout,
			ps_panels_bytes(kernel, panels->packing, panels->rows, panels->cols), 1);
	}
}

/* The one list of the workspace's parts, the matrix product's apart. */
static size_t lay_out(ps_layer_work *work, const ps_kernel *kernel, int threads,
		      const ps_forward_options *options, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};
	const ps_model_config *config = work->config;
	const size_t tokens = work->chunk_tokens,
		     table = work->max_window * (config->head_width / 2);
	char name[96];

	work->scratch_floats =
		ps_round_up(ps_max_size(ps_attention_scratch(&work->attention, work->max_window,
							     config->head_width),
					kernel->x_panel * config->width),
			    PS_ALIGN / sizeof(float));
	work->wide_floats = wide_floats(config, kernel, tokens);
	work->key_words = tokens / work->max_window * config->kv_heads *
			  ps_keys_words(&work->attention, work->max_window, config->head_width);
	work->cos_global = floats(&layout, table);
	work->sin_global = floats(&layout, table);
	work->cos_local = floats(&layout, table);
	work->sin_local = floats(&layout, table);
	for (int n = 0; n < PS_NORMS; n++)
		if (ps_norm_tensor(config->family, 0, (ps_norm)n, name))
			work->gain[n] = floats(&layout, ps_norm_length(config, (ps_norm)n));
	lay_out_panels(work, kernel, options->weights, &layout);
	work->narrow = x_panels(&layout, kernel, tokens, config->width);
	work->broad = x_panels(&layout, kernel, tokens, widest_input(config));
	work->wide = floats(&layout, work->wide_floats);
	work->mid = floats(&layout, tokens * config->width);
	work->keys = ps_layout_part(&layout, work->key_words, sizeof *work->keys);
	work->scratch = floats(&layout, (size_t)threads * work->scratch_floats);
	work->position = ps_layout_part(&layout, tokens, sizeof *work->position);
	work->query = ps_layout_part(&layout, tokens, sizeof *work->query);
	work->block = ps_layout_part(&layout, tokens, sizeof *work->block);
	return layout.bytes;
}

static ps_layer_work empty_work(const ps_model_config *config, const ps_forward_options *options)
{
	return (ps_layer_work){.config = config,
			       .attention = ps_kernel_choose_attention(options->precision),
			       .max_window = ps_max_size(options->max_window, 1),
			       .chunk_tokens = ps_max_size(ps_max_size(options->max_window, 1),
							   options->chunk_tokens)};
}

size_t ps_layer_bytes(const ps_model_config *config, int threads, const ps_forward_options *options)
{
	const ps_kernel kernel = ps_kernel_choose(options->precision);
	ps_layer_work work = empty_work(config, options);

	return lay_out(&work, &kernel, threads, options, NULL) +
	       ps_matmul_bytes(options->precision, threads, 0, widest_input(config));
}

void ps_layer_create(ps_layer_work *work, const ps_model_config *config, const ps_context *context,
		     const ps_forward_options *options, ps_arena *arena)
{
	const int threads = ps_pool_threads(context->pool);

	*work = empty_work(config, options);
	work->context = context;
	work->matmul =
		ps_matmul_create(options->precision, context->pool, 0, widest_input(config), arena);
	work->kernel = ps_matmul_kernel(work->matmul);
	lay_out(work, work->kernel, threads, options, arena);
	ps_rope_table(&config->rope_global, config->head_width, work->max_window, work->cos_global,
		      work->sin_global);
	ps_rope_table(&config->rope_local, config->head_width, work->max_window, work->cos_local,
		      work->sin_local);
}

/* Widens the gains. False if one is not finite. */
static bool load_gains(ps_layer_work *work, const ps_layer_weights *weights)
{
	bool finite = true;

	for (int n = 0; n < PS_NORMS; n++) {
		const size_t length = ps_norm_length(work->config, (ps_norm)n);

		if (!work->gain[n])
			continue;
		ps_weight_decode(&weights->norm[n], 0, 0, length, work->gain[n]);
		finite &= ps_all_finite(work->gain[n], length);
	}
	return finite;
}

/* Says which weight is not finite. */
static int name_weight(const ps_layer_work *work, const ps_layer_weights *weights)
{
	int rc = 0;

	for (int n = 0; !rc && n < PS_NORMS; n++)
		if (work->gain[n])
			rc = ps_weight_check_finite(&weights->norm[n], work->context->diag);
	for (int p = 0; !rc && p < PS_PROJECTIONS; p++)
		rc = ps_weight_check_finite(&weights->projection[p], work->context->diag);
	return rc;
}

int ps_layer_begin(ps_layer_work *work, const ps_layer_weights *weights)
{
	const ps_weight *w = weights->projection;
	ps_panels *panels = work->panels;
	ps_pool *pool = work->context->pool;
	bool finite = load_gains(work, weights);

	finite &= ps_panels_pack(&panels[PS_PRODUCT_Q], pool, (const ps_weight *const[]){&w[PS_Q]},
				 1);
	finite &= ps_panels_pack(&panels[PS_PRODUCT_KV], pool,
				 (const ps_weight *const[]){&w[PS_K], &w[PS_V]}, 2);
	finite &= ps_panels_pack(&panels[PS_PRODUCT_O], pool, (const ps_weight *const[]){&w[PS_O]},
				 1);
	finite &= ps_panels_pack_paired(&panels[PS_PRODUCT_GATE_UP], pool, &w[PS_GATE], &w[PS_UP]);
	finite &= ps_panels_pack(&panels[PS_PRODUCT_DOWN], pool,
				 (const ps_weight *const[]){&w[PS_DOWN]}, 1);
	return finite ? 0 : name_weight(work, weights);
}

size_t ps_layer_chunk_end(const ps_layer_work *work, const ps_windows *windows, size_t first)
{
	size_t last = first, words = 0;

	for (; last < windows->count &&
	       windows->start[last + 1] - windows->start[first] <= work->chunk_tokens;
	     last++) {
		const size_t tokens = windows->start[last + 1] - windows->start[last];

		words += window_key_words(work, tokens);
		if (tokens > work->max_window || words > work->key_words)
			break;
	}
	return last;
}

static size_t first_wanted(const ps_windows *windows, size_t window)
{
	return windows->wanted ? windows->wanted[window] : 0;
}

/* Cuts the chunk's windows into blocks, and lists the wanted rows. */
static void find_blocks(struct chunk *chunk, const ps_windows *windows)
{
	ps_layer_work *work = chunk->work;
	const size_t length = block_tokens(&work->attention);
	size_t keys = 0;

	for (size_t w = 0; w < windows->count; w++) {
		const size_t tokens = windows->start[w + 1] - windows->start[w],
			     row = windows->start[w] - windows->start[0];
		const size_t wanted = first_wanted(windows, w);

		for (size_t t = 0; t < tokens; t++)
			work->position[row + t] = t;
		for (size_t t = 0; t < tokens; t += length) {
			const size_t count = ps_min_size(length, tokens - t),
				     query = ps_min_size(ps_max_size(t, wanted), t + count);

			work->block[chunk->blocks++] = (ps_token_block){
				row, tokens, t, count, keys, chunk->queries, query};
			for (size_t i = query; i < t + count; i++)
				work->query[chunk->queries++] = row + i;
		}
		keys += window_key_words(work, tokens);
	}
}

static struct chunk open_chunk(ps_layer_work *work, int layer, const ps_windows *windows,
			       const float *in)
{
	const bool sliding = work->config->sliding[layer];
	struct chunk chunk = {
		.work = work,
		.rows = windows->start[windows->count] - windows->start[0],
		.sliding = sliding,
		.cos_table = sliding ? work->cos_local : work->cos_global,
		.sin_table = sliding ? work->sin_local : work->sin_global,
		.in = in,
		.q = work->wide,
	};

	find_blocks(&chunk, windows);
	chunk.kv = chunk.q + chunk.queries * query_width(work->config);
	return chunk;
}

static void run_items(const struct chunk *chunk, size_t count, size_t an_item, ps_pool_fn fn,
		      void *context)
{
	ps_pool_run(chunk->work->context->pool, ps_div_up(count, an_item), fn, context);
}

static void norm(const ps_layer_work *work, const float *x, const float *gain, size_t n, float *out)
{
	ps_rms_norm(x, gain, n, work->config->norm_eps, work->config->family != PS_FAMILY_LLAMA,
		    out);
}

/* item: the rows of one panel. */
static void residual_panel(void *context, size_t item, int worker)
{
	const struct residual *r = context;
	const ps_layer_work *work = r->chunk->work;
	const size_t width = work->config->width, first = item * work->kernel->x_panel;
	const size_t count = ps_min_size(work->kernel->x_panel, r->rows - first);
	float *rows = work->scratch + (size_t)worker * work->scratch_floats;

	for (size_t i = 0; i < count; i++) {
		const float *base = r->base +
				    (r->base_row ? r->base_row[first + i] : first + i) * width,
			    *sum = base;
		float *x = rows + i * width;

		if (r->y) {
			const float *y = r->y + (first + i) * width;
			float *dst = r->dst + (first + i) * width;

			if (r->post_gain) {
				norm(work, y, r->post_gain, width, x);
				y = x;
			}
			ps_add(base, y, width, dst);
			if (r->overflowed && !ps_all_finite(dst, width))
				__atomic_store_n(r->overflowed, true, __ATOMIC_RELAXED);
			sum = dst;
		}
		if (r->next_gain)
			norm(work, sum, r->next_gain, width, x);
	}
	if (r->next_gain)
		ps_panel_pack_x(work->kernel, rows, width, count, width,
				r->packed + first * ps_slices(work->kernel->packing, width));
}

static void run_residual(const struct residual *r)
{
	run_items(r->chunk, r->rows, r->chunk->work->kernel->x_panel, residual_panel, (void *)r);
}

/* Norms the heads of one row, if there is a gain, and rotates them to their position. */
static void turn_heads(const struct chunk *chunk, float *heads, size_t count, const float *gain,
		       size_t position)
{
	const ps_layer_work *work = chunk->work;
	const size_t width = work->config->head_width, half = width / 2;

	for (size_t h = 0; h < count; h++, heads += width) {
		if (gain)
			norm(work, heads, gain, width, heads);
		ps_rope_apply(heads, width, chunk->cos_table + position * half,
			      chunk->sin_table + position * half);
	}
}

static void turn_queries(void *context, size_t item, int worker)
{
	const struct chunk *chunk = context;
	const ps_layer_work *work = chunk->work;
	const size_t last = ps_min_size(chunk->queries, (item + 1) * ROW_BLOCK);

	(void)worker;
	for (size_t i = item * ROW_BLOCK; i < last; i++)
		turn_heads(chunk, chunk->q + i * query_width(work->config), work->config->heads,
			   work->gain[PS_NORM_Q], work->position[work->query[i]]);
}

static void turn_keys(void *context, size_t item, int worker)
{
	const struct chunk *chunk = context;
	const ps_layer_work *work = chunk->work;
	const size_t last = ps_min_size(chunk->rows, (item + 1) * ROW_BLOCK);

	(void)worker;
	for (size_t row = item * ROW_BLOCK; row < last; row++)
		turn_heads(chunk, chunk->kv + row * 2 * key_width(work->config),
			   work->config->kv_heads, work->gain[PS_NORM_K], work->position[row]);
}

static ps_keys keys_of(const ps_layer_work *work, const ps_token_block *block, size_t key_head)
{
	const size_t width = work->config->head_width;

	return (ps_keys){
		&work->attention, width, block->window_tokens,
		work->keys + block->keys +
			key_head * ps_keys_words(&work->attention, block->window_tokens, width)};
}

/* The first key of the block's window, of one key head. */
static const float *window_kv(const struct chunk *chunk, const ps_token_block *block,
			      size_t key_head)
{
	const ps_model_config *config = chunk->work->config;

	return chunk->kv + block->window_row * 2 * key_width(config) +
	       key_head * config->head_width;
}

/* item: a key head of a block. */
static void pack_keys(void *context, size_t item, int worker)
{
	const struct chunk *chunk = context;
	const ps_layer_work *work = chunk->work;
	const size_t kv_heads = work->config->kv_heads, key_head = item % kv_heads,
		     stride = 2 * key_width(work->config);
	const ps_token_block *block = &work->block[item / kv_heads];
	const ps_keys keys = keys_of(work, block, key_head);
	const float *k = window_kv(chunk, block, key_head);

	(void)worker;
	ps_keys_pack(&keys, block->first, block->count, k, stride, k + key_width(work->config),
		     stride);
}

/* item: a head of a block. Heads that share keys and values follow each other. */
static void attend(void *context, size_t item, int worker)
{
	const struct chunk *chunk = context;
	const ps_layer_work *work = chunk->work;
	const ps_model_config *config = work->config;
	const ps_token_block *block = &work->block[item / config->heads];
	const size_t head = item % config->heads,
		     key_head = head / (config->heads / config->kv_heads);
	float *q = chunk->q + block->query_row * query_width(config) + head * config->head_width;
	const ps_attention attention = {
		.keys = keys_of(work, block, key_head),
		.sliding = chunk->sliding ? config->sliding_window : 0,
		.scale = config->attention_scale,
		.softcap = config->attention_softcap,
		.q = q,
		.q_stride = query_width(config),
		.out = q,
		.out_stride = query_width(config),
	};

	ps_attention_run(&attention, block->query_first,
			 block->first + block->count - block->query_first,
			 work->scratch + (size_t)worker * work->scratch_floats);
}

static void pack_row_panel(void *context, size_t item, int worker)
{
	const struct row_packing *p = context;
	const ps_kernel *kernel = p->chunk->work->kernel;
	const size_t first = item * kernel->x_panel;

	(void)worker;
	ps_panel_pack_x(kernel, p->x + first * p->cols, p->cols,
			ps_min_size(kernel->x_panel, p->rows - first), p->cols,
			p->packed + first * ps_slices(kernel->packing, p->cols));
}

/* A tile of gate and up becomes a tile of the down projection's input: the first half of its rows.
 * Returns its first column, and their count. */
static size_t activate(const ps_layer_work *work, const ps_tile *tile, size_t *count)
{
	const ps_kernel *kernel = work->kernel;
	const size_t half = kernel->w_panel / 2, first = tile->first_row / 2;
	float *gate = (float *)tile->y;

	if (work->config->gelu)
		ps_gate_gelu(gate, gate + half, kernel->x_panel, half, kernel->w_panel);
	else
		ps_gate_silu(gate, gate + half, kernel->x_panel, half, kernel->w_panel);
	*count = ps_min_size(half, work->config->mlp_width - first);
	return first;
}

static void gate_to_panels(void *context, const ps_tile *tile)
{
	const ps_layer_work *work = context;
	const ps_kernel *kernel = work->kernel;
	const size_t slices = ps_slices(kernel->packing, work->config->mlp_width);
	size_t count, first = activate(work, tile, &count);

	ps_panel_put(&(ps_lanes){kernel->packing, kernel->x_panel,
				 work->broad + tile->first_token * slices},
		     tile->y, kernel->w_panel, kernel->x_panel, first, count);
}

static void gate_to_rows(void *context, const ps_tile *tile)
{
	const ps_layer_work *work = context;
	const size_t width = work->config->mlp_width;
	size_t count, first = activate(work, tile, &count);

	ps_copy_rows(work->wide + tile->first_token * width + first, width, tile->y,
		     work->kernel->w_panel, tile->tokens, count);
}

/* y (rows, out) = a product of X panels. */
static void project(const struct chunk *chunk, ps_product_name product, const uint32_t *x,
		    size_t rows, float *y)
{
	const ps_layer_work *work = chunk->work;
	const ps_panels *panels = &work->panels[product];
	ps_tile_rows store = {.kernel = work->kernel, .y = y, .y_stride = panels->rows};

	ps_matmul_panels(work->matmul, x, rows, panels, ps_tile_store, &store);
}

/* Shows packed rows to the observer, as many at a time as wide holds. wide must be free. */
static int show_panels(const struct chunk *chunk, const ps_observer *observer, ps_input input,
		       const uint32_t *x, size_t rows, size_t cols)
{
	const ps_layer_work *work = chunk->work;
	const size_t panel = work->kernel->x_panel, most = work->wide_floats / cols / panel * panel;
	int rc = 0;

	for (size_t first = 0; observer && !rc && first < rows; first += most) {
		const size_t count = ps_min_size(most, rows - first);

		for (size_t t = 0; t < count; t += panel)
			ps_panel_unpack_x(work->kernel,
					  x + (first + t) * ps_slices(work->kernel->packing, cols),
					  ps_min_size(panel, count - t), cols,
					  work->wide + t * cols, cols);
		rc = observer->see(observer->context, input, work->wide, count, cols);
	}
	return rc;
}

/* wide = the output of O, from the normed rows in narrow. */
static int run_attention(struct chunk *chunk, const ps_observer *observer)
{
	ps_layer_work *work = chunk->work;
	const ps_model_config *config = work->config;
	struct residual queries = {.chunk = chunk,
				   .base = chunk->in,
				   .base_row = work->query,
				   .next_gain = work->gain[PS_NORM_INPUT],
				   .rows = chunk->queries,
				   .packed = work->broad};
	struct row_packing mixed = {chunk, chunk->q, query_width(config), chunk->queries,
				    work->broad};
	int rc = show_panels(chunk, observer, PS_INPUT_ATTENTION, work->narrow, chunk->rows,
			     config->width);

	if (rc)
		return rc;
	project(chunk, PS_PRODUCT_KV, work->narrow, chunk->rows, chunk->kv);
	if (chunk->queries < chunk->rows)
		run_residual(&queries);
	project(chunk, PS_PRODUCT_Q, chunk->queries < chunk->rows ? work->broad : work->narrow,
		chunk->queries, chunk->q);
	run_items(chunk, chunk->rows, ROW_BLOCK, turn_keys, chunk);
	run_items(chunk, chunk->queries, ROW_BLOCK, turn_queries, chunk);
	run_items(chunk, chunk->blocks * config->kv_heads, 1, pack_keys, chunk);
	run_items(chunk, chunk->blocks * config->heads, 1, attend, chunk);
	if (observer)
		rc = observer->see(observer->context, PS_INPUT_O, chunk->q, chunk->queries,
				   mixed.cols);
	if (rc)
		return rc;
	run_items(chunk, mixed.rows, work->kernel->x_panel, pack_row_panel, &mixed);
	project(chunk, PS_PRODUCT_O, work->broad, chunk->queries, work->wide);
	return 0;
}

/* broad = the input of the down projection, from the normed rows in narrow. */
static int run_gate(const struct chunk *chunk, const ps_observer *observer)
{
	ps_layer_work *work = chunk->work;
	const bool in_blocks = ps_packing_in_blocks(work->kernel->packing);
	struct row_packing rows = {chunk, work->wide, work->config->mlp_width, chunk->queries,
				   work->broad};
	int rc = show_panels(chunk, observer, PS_INPUT_MLP, work->narrow, chunk->queries,
			     work->config->width);

	if (rc)
		return rc;
	ps_matmul_panels(work->matmul, work->narrow, chunk->queries,
			 &work->panels[PS_PRODUCT_GATE_UP],
			 in_blocks ? gate_to_rows : gate_to_panels, work);
	if (in_blocks)
		run_items(chunk, rows.rows, work->kernel->x_panel, pack_row_panel, &rows);
	return show_panels(chunk, observer, PS_INPUT_DOWN, work->broad, chunk->queries,
			   work->config->mlp_width);
}

/* Says which row of out (wanted rows, D) is not finite first. */
static int name_overflow(const struct chunk *chunk, int layer, const ps_windows *windows,
			 const float *out)
{
	const ps_layer_work *work = chunk->work;
	const size_t width = work->config->width;
	size_t row = 0, at = 0, window = 0;

	while (row < chunk->queries &&
	       (at = ps_first_not_finite(out + row * width, width)) == width)
		row++;
	if (row == chunk->queries)
		return 0;
	while (windows->start[window + 1] - windows->start[0] <= work->query[row])
		window++;
	return ps_fail(work->context->diag, PS_EFAILED,
		       "layer %d, window %zu, position %zu: the hidden state overflows (number "
		       "%zu of %zu is %s)",
		       layer, windows->first_window + window, work->position[work->query[row]], at,
		       width, isnan(out[row * width + at]) ? "NaN" : "infinite");
}

int ps_layer_chunk(ps_layer_work *work, int layer, const ps_windows *windows, const float *in,
		   float *out, const ps_observer *observer)
{
	const bool llama = work->config->family == PS_FAMILY_LLAMA;
	struct chunk chunk = open_chunk(work, layer, windows, in);
	bool overflowed = false;
	const struct residual begin = {.chunk = &chunk,
				       .base = in,
				       .next_gain = work->gain[PS_NORM_INPUT],
				       .rows = chunk.rows,
				       .packed = work->narrow};
	const struct residual middle = {
		.chunk = &chunk,
		.base = in,
		.base_row = work->query,
		.y = work->wide,
		.dst = work->mid,
		.post_gain = llama ? NULL : work->gain[PS_NORM_POST_ATTENTION],
		.next_gain = work->gain[llama ? PS_NORM_POST_ATTENTION : PS_NORM_PRE_MLP],
		.rows = chunk.queries,
		.packed = work->narrow,
	};
	const struct residual end = {.chunk = &chunk,
				     .base = work->mid,
				     .y = work->wide,
				     .dst = out,
				     .post_gain = work->gain[PS_NORM_POST_MLP],
				     .rows = chunk.queries,
				     .overflowed = windows->overflow_allowed ? NULL : &overflowed};
	int rc;

	run_residual(&begin);
	rc = run_attention(&chunk, observer);
	if (rc)
		return rc;
	run_residual(&middle);
	rc = run_gate(&chunk, observer);
	if (rc || !out)
		return rc;
	project(&chunk, PS_PRODUCT_DOWN, work->broad, chunk.queries, work->wide);
	run_residual(&end);
	return overflowed ? name_overflow(&chunk, layer, windows, out) : 0;
}
