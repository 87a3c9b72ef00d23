/* An item is a block of rows of W for a block of tokens. The tiles of an item stay in the worker's
 * buffer while the blocks of columns are summed, one after the other. So only one block of columns
 * of W's and X's panels is in the second cache at a time, and the arithmetic of an element of Y
 * does not depend on where its tile lies.
 *
 * All workers read the same panels of X. Each packs, or widens, its own panels of W, unless they
 * lie ready. */
#include "core/model/matmul.h"

#include <string.h>
#include <unistd.h>

#include "core/base/checked.h"
#include "core/model/ops.h"

#define CACHE_BYTES ((size_t)512 << 10) /* of the second cache, if the system does not say */
#define TOKEN_BLOCK ((size_t)1024)      /* rows of X packed at a time: W is packed once for them */
#define REF_STRIP ((size_t)256)         /* columns of W that the reference edits at a time */
#define W_BLOCK ((size_t)128)           /* rows of W of an item, at most */
#define ITEMS_PER_THREAD ((size_t)4)    /* wanted: a slow thread then does not hold up all */
#define TOKENS_PER_ITEM ((size_t)64)    /* at least, if tokens are cut into items */

struct worker_buffer {
	float *tiles;       /* (an item's tiles, x_panel, w_panel) */
	uint32_t *packed_w; /* (an item's panels, slices(block), w_panel) */
};

struct ps_matmul {
	ps_pool *pool;
	ps_kernel kernel;
	size_t token_block, ready_tokens, max_k;
	uint32_t *packed_x; /* (token_block / x_panel, slices(max_k), x_panel) */
	char *buffers;      /* per worker: tiles, then packed_w */
	size_t tile_bytes, packed_w_bytes;
};

/* One product on one block of tokens. */
struct product {
	const ps_matmul *m;
	const uint32_t *x; /* panels */
	size_t tokens, rows, cols;
	const ps_weight *w; /* as it lies in memory; NULL: ready has its panels */
	const ps_panels *ready;
	ps_tile_use use;
	void *context;
	size_t rows_per_item, tokens_per_item;
	size_t row_items, token_items;
	bool not_finite; /* a weight is; set by the pool's threads */
};

/* One block of tokens of X, to be packed. */
struct packing {
	const struct product *job;
	const float *x;
	size_t x_stride;
	uint32_t *panels;
};

static size_t item_rows(const ps_kernel *kernel)
{
	return ps_max_size(W_BLOCK / kernel->w_panel, 1) * kernel->w_panel;
}

/* Bytes of one row of W, or token of X, in one block of columns. */
static size_t column_block_bytes(const ps_kernel *kernel)
{
	return ps_slices(kernel->packing, kernel->block) * sizeof(uint32_t);
}

/* Tokens of an item if W's panels lie ready. As many as fit: the item's blocks of X and W and its
 * tiles together take at most three quarters of the second cache. */
static size_t ready_tokens(const ps_kernel *kernel)
{
	const long found = sysconf(_SC_LEVEL2_CACHE_SIZE);
	const size_t cache = found > 0 ? (size_t)found : CACHE_BYTES,
		     column = column_block_bytes(kernel);
	const size_t w = item_rows(kernel) * column,
		     each = column + item_rows(kernel) * sizeof(float);
	const size_t tokens = cache / 4 * 3 > w ? (cache / 4 * 3 - w) / each : 0;

	return ps_round_up(ps_min_size(ps_max_size(tokens, TOKENS_PER_ITEM), TOKEN_BLOCK),
			   kernel->x_panel);
}

/* A matrix product without its pool and memory. */
static ps_matmul shape_of(ps_precision precision, size_t max_tokens, size_t max_k)
{
	ps_matmul m = {.kernel = ps_kernel_choose(precision), .max_k = max_k};
	const ps_kernel *kernel = &m.kernel;
	size_t item_tokens;

	m.token_block = ps_round_up(ps_min_size(max_tokens, TOKEN_BLOCK), kernel->x_panel);
	m.ready_tokens = ready_tokens(kernel);
	item_tokens = ps_max_size(m.token_block, m.ready_tokens);
	m.tile_bytes = ps_round_up(item_tokens * item_rows(kernel) * sizeof(float), PS_ALIGN);
	m.packed_w_bytes = ps_round_up(item_rows(kernel) * column_block_bytes(kernel), PS_ALIGN);
	return m;
}

/* The one list of the parts. home: where m itself will live. */
static size_t lay_out(ps_matmul *m, ps_matmul **home, int threads, ps_arena *arena)
{
	ps_layout layout = {.arena = arena};

	*home = ps_layout_part(&layout, 1, sizeof **home);
	m->packed_x =
		ps_layout_part(&layout, m->token_block * ps_slices(m->kernel.packing, m->max_k),
			       sizeof *m->packed_x);
	m->buffers = ps_layout_part(&layout, (size_t)threads, m->tile_bytes + m->packed_w_bytes);
	return layout.bytes;
}

size_t ps_matmul_bytes(ps_precision precision, int threads, size_t max_tokens, size_t max_k)
{
	ps_matmul m = shape_of(precision, max_tokens, max_k), *home;

	return lay_out(&m, &home, threads, NULL);
}

ps_matmul *ps_matmul_create(ps_precision precision, ps_pool *pool, size_t max_tokens, size_t max_k,
			    ps_arena *arena)
{
	ps_matmul m = shape_of(precision, max_tokens, max_k), *home;

	m.pool = pool;
	lay_out(&m, &home, ps_pool_threads(pool), arena);
	*home = m;
	return home;
}

const ps_kernel *ps_matmul_kernel(const ps_matmul *m)
{
	return &m->kernel;
}

static struct worker_buffer buffer_of(const ps_matmul *m, int worker)
{
	char *base = m->buffers + (size_t)worker * (m->tile_bytes + m->packed_w_bytes);

	return (struct worker_buffer){(float *)(void *)base,
				      (uint32_t *)(void *)(base + m->tile_bytes)};
}

/* A block of columns of W's panels; panel p is at data + p * stride. */
struct block {
	const uint32_t *data;
	size_t stride;
};

/* Columns [first, first + k) of rows [first_row, first_row + rows) of W; in buffer, unless they lie
 * ready. */
static struct block load_block(struct product *job, size_t first_row, size_t rows, size_t first,
			       size_t k, uint32_t *buffer)
{
	const ps_kernel *kernel = &job->m->kernel;
	const size_t width = kernel->w_panel, panels = ps_div_up(rows, width);
	const struct block packed = {buffer, ps_slices(kernel->packing, k) * width};
	struct block ready;

	if (job->w) {
		if (rows % width)
			memset(buffer, 0, panels * packed.stride * sizeof *buffer);
		for (size_t p = 0; p < panels; p++)
			if (!ps_panel_pack_w(
				    &(ps_lanes){kernel->packing, width, buffer + p * packed.stride},
				    job->w, first_row + p * width,
				    ps_min_size(width, rows - p * width), first, k))
				__atomic_store_n(&job->not_finite, true, __ATOMIC_RELAXED);
		return packed;
	}
	ready.stride = ps_slices(job->ready->packing, job->cols) * width;
	ready.data = job->ready->data + first_row / width * ready.stride +
		     ps_slices(job->ready->packing, first) * width;
	if (job->ready->packing == kernel->packing)
		return ready;
	for (size_t p = 0; p < panels; p++)
		ps_panel_widen(ready.data + p * ready.stride, k, width,
			       (float *)(void *)(buffer + p * packed.stride));
	return packed;
}

static void hand_over(const struct product *job, const float *tiles, size_t first_row, size_t rows,
		      size_t first_token, size_t end_token)
{
	const ps_kernel *kernel = &job->m->kernel;

	for (size_t t = first_token; t < end_token; t += kernel->x_panel)
		for (size_t n = 0; n < rows;
		     n += kernel->w_panel, tiles += kernel->x_panel * kernel->w_panel) {
			const ps_tile tile = {tiles, t, ps_min_size(kernel->x_panel, end_token - t),
					      first_row + n,
					      ps_min_size(kernel->w_panel, rows - n)};

			job->use(job->context, &tile);
		}
}

static void multiply_item(void *context, size_t item, int worker)
{
	struct product *job = context;
	const ps_kernel *kernel = &job->m->kernel;
	const size_t first_row = item / job->token_items * job->rows_per_item,
		     rows = ps_min_size(job->rows_per_item, job->rows - first_row);
	const size_t first_token = item % job->token_items * job->tokens_per_item;
	const size_t end_token = ps_min_size(first_token + job->tokens_per_item, job->tokens);
	const size_t x_slices = ps_slices(kernel->packing, job->cols),
		     panels = ps_div_up(rows, kernel->w_panel);
	const struct worker_buffer buffer = buffer_of(job->m, worker);

	for (size_t first = 0; first < job->cols; first += kernel->block) {
		const size_t k = ps_min_size(kernel->block, job->cols - first),
			     slices = ps_slices(kernel->packing, k);
		const struct block w = load_block(job, first_row, rows, first, k, buffer.packed_w);
		float *tile = buffer.tiles;

		for (size_t t = first_token; t < end_token; t += kernel->x_panel) {
			const uint32_t *x = job->x + t * x_slices +
					    ps_slices(kernel->packing, first) * kernel->x_panel;

			for (size_t p = 0; p < panels;
			     p++, tile += kernel->x_panel * kernel->w_panel)
				kernel->tile(kernel, slices, x, w.data + p * w.stride, tile,
					     first > 0);
		}
	}
	hand_over(job, buffer.tiles, first_row, rows, first_token, end_token);
}

/* Chooses the size of an item. The busiest thread computes ceil(items / threads) items; of the
 * sizes up to `largest`, the rows of an item are those for which this is the fewest rows of W, and
 * the larger size if two are equal. Tokens are cut as well in two cases: there are more than an
 * item can hold, or rows alone make fewer items than threads. In the second case each part packs W
 * for itself. */
static void cut_into_items(struct product *job)
{
	const ps_matmul *m = job->m;
	const size_t threads = (size_t)ps_pool_threads(m->pool),
		     most = job->w ? m->token_block : m->ready_tokens;
	size_t share = ps_round_up(job->rows / (threads * ITEMS_PER_THREAD), m->kernel.w_panel),
	       least = SIZE_MAX;
	size_t largest = ps_max_size(ps_min_size(share, item_rows(&m->kernel)), m->kernel.w_panel);

	for (size_t rows = largest; rows; rows -= m->kernel.w_panel) {
		const size_t work = ps_div_up(ps_div_up(job->rows, rows), threads) * rows;

		if (work < least) {
			least = work;
			job->rows_per_item = rows;
		}
	}
	job->row_items = ps_div_up(job->rows, job->rows_per_item);
	job->token_items =
		ps_max_size(ps_div_up(job->tokens, most),
			    ps_min_size(ps_div_up(threads, ps_max_size(job->row_items, 1)),
					ps_div_up(job->tokens, TOKENS_PER_ITEM)));
	job->tokens_per_item =
		ps_round_up(ps_div_up(job->tokens, job->token_items), m->kernel.x_panel);
	job->token_items = ps_div_up(job->tokens, job->tokens_per_item);
}

static void multiply(struct product *job)
{
	if (!job->tokens || !job->rows)
		return;
	cut_into_items(job);
	ps_pool_run(job->m->pool, job->row_items * job->token_items, multiply_item, job);
}

void ps_matmul_panels(ps_matmul *m, const uint32_t *x, size_t tokens, const ps_panels *w,
		      ps_tile_use use, void *context)
{
	struct product job = {.m = m,
			      .x = x,
			      .tokens = tokens,
			      .rows = w->rows,
			      .cols = w->cols,
			      .ready = w,
			      .use = use,
			      .context = context};

	multiply(&job);
}

void ps_tile_store(void *context, const ps_tile *tile)
{
	const ps_tile_rows *rows = context;
	float *y = rows->y + tile->first_token * rows->y_stride + tile->first_row;

	ps_copy_rows(y, rows->y_stride, tile->y, rows->kernel->w_panel, tile->tokens, tile->rows);
}

static void pack_x_item(void *context, size_t item, int worker)
{
	const struct packing *p = context;
	const ps_kernel *kernel = &p->job->m->kernel;
	const size_t first = item * kernel->x_panel;

	(void)worker;
	ps_panel_pack_x(kernel, p->x + first * p->x_stride, p->x_stride,
			ps_min_size(kernel->x_panel, p->job->tokens - first), p->job->cols,
			p->panels + first * ps_slices(kernel->packing, p->job->cols));
}

static void zero_rows(size_t tokens, size_t rows, float *y, size_t y_stride)
{
	for (size_t t = 0; t < tokens; t++)
		memset(y + t * y_stride, 0, rows * sizeof *y);
}

bool ps_matmul_run(ps_matmul *m, const float *x, size_t x_stride, size_t tokens, const ps_weight *w,
		   float *y, size_t y_stride)
{
	ps_tile_rows rows = {.kernel = &m->kernel, .y_stride = y_stride};
	struct product job = {.m = m,
			      .x = m->packed_x,
			      .rows = w->rows,
			      .cols = w->cols,
			      .w = w,
			      .use = ps_tile_store,
			      .context = &rows};
	struct packing packing = {.job = &job, .x_stride = x_stride, .panels = m->packed_x};

	if (!w->cols)
		zero_rows(tokens, w->rows, y, y_stride);
	for (size_t first = 0; w->cols && first < tokens; first += m->token_block) {
		packing.x = x + first * x_stride;
		rows.y = y + first * y_stride;
		job.tokens = ps_min_size(m->token_block, tokens - first);
		ps_pool_run(m->pool, ps_div_up(job.tokens, m->kernel.x_panel), pack_x_item,
			    &packing);
		multiply(&job);
	}
	return !job.not_finite;
}

void ps_matmul_ref(const float *x, size_t x_stride, size_t tokens, const ps_weight *w, float *y,
		   size_t y_stride)
{
	float values[REF_STRIP];

	for (size_t t = 0; t < tokens; t++)
		for (size_t row = 0; row < w->rows; row++) {
			float sum = 0;

			for (size_t first = 0; first < w->cols; first += REF_STRIP) {
				const size_t n = ps_min_size(REF_STRIP, w->cols - first);

				ps_weight_decode(w, row, first, n, values);
				ps_edit_apply(
					&w->edit,
					&(ps_edit_place){row, first, w->cols, ps_weight_written(w)},
					n, values);
				for (size_t k = 0; k < n; k++)
					sum += x[t * x_stride + first + k] * values[k];
			}
			y[t * y_stride + row] = sum;
		}
}
