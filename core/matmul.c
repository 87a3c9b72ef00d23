/* Why the temporaries: every tile of Y is computed into a small buffer of the kernel's own layout and then
 * added, whole or cut: so an element's arithmetic does not depend on where the tile lies. Why X is packed
 * first: all workers read the same panels while each packs and keeps its own panels of W. */
#include "core/matmul.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/blis_kernel.h"
#include "core/checked.h"
#include "core/clones.h"

#define KC ((size_t)256)             /* columns summed in a kernel call: 8 whole mask bytes a step */
#define TOKEN_BLOCK ((size_t)1024)   /* rows of X packed at a time */
#define W_BLOCK ((size_t)128)        /* rows of W packed at a time, at most */
#define PANEL_MAX ((size_t)64)       /* widest micro-panel of any kernel */
#define ITEMS_PER_THREAD ((size_t)4) /* wished for, so that a thread that falls behind does not hold up all */
#define TOKENS_PER_ITEM ((size_t)64) /* at least, where tokens are cut */

#define REF_TOKENS ((size_t)6)
#define REF_ROWS ((size_t)16)
#define AVX512_TOKENS ((size_t)12)
#define AVX512_ROWS ((size_t)32)

/* tile (tokens, rows) = X panel (k, tokens) times W panel (k, rows), tile row-major. */
typedef void (*tile_fn)(const ps_blis_kernel *blis, size_t k, const float *x, const float *w, const float *next_x, const float *next_w,
			float *tile);

struct ps_matmul {
	ps_pool *pool;
	ps_blis_kernel blis;
	tile_fn tile;
	size_t x_panel, w_panel; /* tokens and rows of W in a tile */
	size_t token_block, max_k;
	char name[64];
	float *packed_x;         /* (token_block / x_panel, max_k, x_panel) */
	float *packed_w;         /* per worker: (W_BLOCK / w_panel, KC, w_panel) */
	size_t packed_w_floats;  /* of one worker */
};

/* One call of ps_matmul_run on one block of tokens. */
struct product {
	const ps_matmul *m;
	const float *x;
	size_t x_stride, tokens;
	const ps_weight *w;
	float *y;
	size_t y_stride;
	bool accumulate;
	size_t rows_per_item, tokens_per_item; /* an item is so many rows of W for so many tokens */
	size_t row_items, token_items;
};

/* Floats and masks of floats, at any address. */
typedef float vector16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float vector4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t mask8 __attribute__((vector_size(32), aligned(4), may_alias));

PS_CLONES
static void tile_ref(const ps_blis_kernel *blis, size_t k, const float *x, const float *w, const float *next_x, const float *next_w, float *tile)
{
	vector16 sum[REF_TOKENS] = {{0}};

	(void)blis, (void)next_x, (void)next_w;
	for (size_t p = 0; p < k; p++) {
		vector16 row = *(const vector16 *)(w + p * REF_ROWS);

#pragma GCC unroll 6
		for (size_t t = 0; t < REF_TOKENS; t++)
			sum[t] += x[p * REF_TOKENS + t] * row;
	}
#pragma GCC unroll 6
	for (size_t t = 0; t < REF_TOKENS; t++)
		*(vector16 *)(tile + t * REF_ROWS) = sum[t];
}

#if defined(__x86_64__)
/* 12 x 2 accumulators, two vectors of W and a broadcast fill 27 of the 32 registers. */
__attribute__((target("avx512f"))) static void tile_avx512(const ps_blis_kernel *blis, size_t k, const float *x, const float *w,
							   const float *next_x, const float *next_w, float *tile)
{
	vector16 sum[AVX512_TOKENS][2] = {{{0}}};

	(void)blis, (void)next_x, (void)next_w;
	for (size_t p = 0; p < k; p++) {
		vector16 low = *(const vector16 *)(w + p * AVX512_ROWS), high = *(const vector16 *)(w + p * AVX512_ROWS + 16);

#pragma GCC unroll 12
		for (size_t t = 0; t < AVX512_TOKENS; t++) {
			float value = x[p * AVX512_TOKENS + t];

			sum[t][0] += value * low;
			sum[t][1] += value * high;
		}
	}
#pragma GCC unroll 12
	for (size_t t = 0; t < AVX512_TOKENS; t++) {
		*(vector16 *)(tile + t * AVX512_ROWS) = sum[t][0];
		*(vector16 *)(tile + t * AVX512_ROWS + 16) = sum[t][1];
	}
}

static bool use_avx512(ps_matmul *m, const char *wish)
{
	if ((wish && strcmp(wish, "avx512")) || !__builtin_cpu_supports("avx512f"))
		return false;
	m->tile = tile_avx512;
	m->x_panel = AVX512_TOKENS;
	m->w_panel = AVX512_ROWS;
	snprintf(m->name, sizeof m->name, "avx512 (%zux%zu)", AVX512_TOKENS, AVX512_ROWS);
	return true;
}
#else
static bool use_avx512(ps_matmul *m, const char *wish)
{
	(void)m, (void)wish;
	return false;
}
#endif

static void tile_blis_rows(const ps_blis_kernel *blis, size_t k, const float *x, const float *w, const float *next_x, const float *next_w,
			   float *tile)
{
	ps_blis_kernel_run(blis, k, x, w, next_x, next_w, tile);
}

/* A kernel that prefers columns computes the tile's transpose column-major, which is the tile row-major. */
static void tile_blis_columns(const ps_blis_kernel *blis, size_t k, const float *x, const float *w, const float *next_x,
			      const float *next_w, float *tile)
{
	ps_blis_kernel_run(blis, k, w, x, next_w, next_x, tile);
}

static void choose_kernel(ps_matmul *m)
{
	const char *wish = getenv("PRUNESCOPE_MATMUL");

	m->tile = tile_ref;
	m->x_panel = REF_TOKENS;
	m->w_panel = REF_ROWS;
	snprintf(m->name, sizeof m->name, "ref (%zux%zu)", REF_TOKENS, REF_ROWS);
	if ((wish && !strcmp(wish, "ref")) || use_avx512(m, wish))
		return;
	m->blis = ps_blis_kernel_query();
	if (m->blis.mr > PANEL_MAX || m->blis.nr > PANEL_MAX)
		return;
	m->tile = m->blis.rows ? tile_blis_rows : tile_blis_columns;
	m->x_panel = m->blis.rows ? m->blis.mr : m->blis.nr;
	m->w_panel = m->blis.rows ? m->blis.nr : m->blis.mr;
	snprintf(m->name, sizeof m->name, "blis (%s, %zux%zu)", m->blis.arch, m->blis.mr, m->blis.nr);
}

static size_t packed_x_floats(size_t max_tokens, size_t max_k)
{
	/* The last panel of a block may stand out by almost its whole width. */
	return (ps_min_size(max_tokens, TOKEN_BLOCK) + PANEL_MAX) * max_k;
}

static size_t packed_w_floats(void)
{
	return (W_BLOCK + PANEL_MAX) * KC;
}

size_t ps_matmul_bytes(int threads, size_t max_tokens, size_t max_k)
{
	return ps_round_up(sizeof(ps_matmul), PS_ALIGN) + ps_round_up(packed_x_floats(max_tokens, max_k) * sizeof(float), PS_ALIGN) +
	       (size_t)threads * ps_round_up(packed_w_floats() * sizeof(float), PS_ALIGN);
}

int ps_matmul_create(ps_matmul **out, ps_pool *pool, size_t max_tokens, size_t max_k, ps_arena *arena, ps_diag *diag)
{
	ps_matmul *m = ps_arena_take(arena, sizeof *m);

	if (!m)
		return ps_fail(diag, PS_EFAILED, "the memory plan leaves no room for the matrix product");
	*m = (ps_matmul){.pool = pool, .max_k = max_k, .packed_w_floats = packed_w_floats()};
	choose_kernel(m);
	m->token_block = ps_round_up(ps_min_size(max_tokens, TOKEN_BLOCK), m->x_panel);
	m->packed_x = ps_arena_take(arena, packed_x_floats(max_tokens, max_k) * sizeof(float));
	m->packed_w = ps_arena_take(arena, (size_t)ps_pool_threads(pool) * m->packed_w_floats * sizeof(float));
	if (!m->packed_x || !m->packed_w)
		return ps_fail(diag, PS_EFAILED, "the memory plan leaves no room for packed panels");
	*out = m;
	return 0;
}

const char *ps_matmul_kernel(const ps_matmul *m)
{
	return m->name;
}

static inline __attribute__((always_inline)) void transpose_4x4(const float *in, size_t in_stride, float *out, size_t out_stride)
{
	vector4 a = *(const vector4 *)in, b = *(const vector4 *)(in + in_stride), c = *(const vector4 *)(in + 2 * in_stride),
		d = *(const vector4 *)(in + 3 * in_stride);
	vector4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
	vector4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);

	*(vector4 *)out = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
	*(vector4 *)(out + out_stride) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
	*(vector4 *)(out + 2 * out_stride) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
	*(vector4 *)(out + 3 * out_stride) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

/* out[p, r] = in[r, p] for p < k, r < count. */
PS_CLONES
static void transpose(const float *in, size_t in_stride, size_t count, size_t k, float *out, size_t out_stride)
{
	size_t whole_rows = count / 4 * 4, whole_columns = k / 4 * 4;

	for (size_t p = 0; p < whole_columns; p += 4) {
		for (size_t r = 0; r < whole_rows; r += 4)
			transpose_4x4(in + r * in_stride + p, in_stride, out + p * out_stride + r, out_stride);
		for (size_t r = whole_rows; r < count; r++)
			for (size_t i = p; i < p + 4; i++)
				out[i * out_stride + r] = in[r * in_stride + i];
	}
	for (size_t p = whole_columns; p < k; p++)
		for (size_t r = 0; r < count; r++)
			out[p * out_stride + r] = in[r * in_stride + p];
}

/* Panel (k, panel) from `count` rows of X; missing rows are zero. */
static void pack_x_panel(const float *x, size_t stride, size_t count, size_t k, size_t panel, float *out)
{
	if (count < panel)
		memset(out, 0, k * panel * sizeof *out);
	transpose(x, stride, count, k, out, panel);
}

static void pack_x_item(void *context, size_t item, int worker)
{
	const struct product *job = context;
	size_t panel = job->m->x_panel, first = item * panel, k = job->w->cols;

	(void)worker;
	pack_x_panel(job->x + first * job->x_stride, job->x_stride, ps_min_size(panel, job->tokens - first), k, panel,
		     job->m->packed_x + first * k);
}

PS_CLONES
static void widen_bf16(const uint16_t *src, size_t count, float *dst)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t bits = (uint32_t)src[i] << 16;

		memcpy(dst + i, &bits, sizeof bits);
	}
}

/* values[i] = 0 where bit i is clear; whole bytes, bits starts on a byte of the row. */
PS_CLONES
static void apply_mask(const uint8_t *bits, size_t count, float *values)
{
	const mask8 bit = {1, 2, 4, 8, 16, 32, 64, 128};
	size_t whole = count / 8;

	for (size_t b = 0; b < whole; b++)
		*(mask8 *)(values + 8 * b) &= (mask8)((bits[b] & bit) != 0);
	ps_bitmap_apply(bits, 8 * whole, count - 8 * whole, values + 8 * whole);
}

/* k columns of row r from column first (a multiple of KC), widened and masked. */
static void load_row(const ps_weight *w, size_t r, size_t first, size_t k, float *out)
{
	size_t width = ps_dtype_size(w->dtype);
	const char *src = (const char *)w->data + (r * w->cols + first) * width;

	if (w->dtype == PS_BF16 && (uintptr_t)src % sizeof(uint16_t) == 0)
		widen_bf16((const uint16_t *)(const void *)src, k, out);
	else
		ps_widen(src, w->dtype, k, out);
	if (w->keep)
		apply_mask(w->keep + r * ps_bitmap_row_bytes(w->cols) + first / 8, k, out);
}

/* Panel (k, panel) from rows [first_row, first_row + count) of W; missing rows are zero. */
static void pack_w_panel(const ps_weight *w, size_t first_row, size_t count, size_t first, size_t k, size_t panel, float *out)
{
	float rows[16 * KC];

	for (size_t n = 0; n < panel; n += 16) {
		size_t group = ps_min_size(16, panel - n);

		for (size_t i = 0; i < group; i++) {
			if (n + i < count)
				load_row(w, first_row + n + i, first, k, rows + i * KC);
			else
				memset(rows + i * KC, 0, k * sizeof *rows);
		}
		transpose(rows, KC, group, k, out + n, panel);
	}
}

PS_CLONES
static void store_tile(const float *tile, size_t tile_stride, size_t tokens, size_t rows, float *y, size_t y_stride, bool add)
{
	for (size_t t = 0; t < tokens; t++)
		for (size_t n = 0; n < rows; n++)
			y[t * y_stride + n] = add ? y[t * y_stride + n] + tile[t * tile_stride + n] : tile[t * tile_stride + n];
}

/* Rows [first_row, first_row + rows) of W, columns [first, first + k), for tokens [first_token, end_token). */
static void multiply_block(const struct product *job, const float *packed_w, size_t first_row, size_t rows, size_t first, size_t k,
			   size_t first_token, size_t end_token)
{
	const ps_matmul *m = job->m;
	_Alignas(64) float tile[PANEL_MAX * PANEL_MAX];
	bool add = job->accumulate || first > 0;

	for (size_t t = first_token; t < end_token; t += m->x_panel) {
		const float *x = m->packed_x + t * job->w->cols + first * m->x_panel;

		for (size_t n = 0; n < rows; n += m->w_panel) {
			const float *w = packed_w + n * KC;

			m->tile(&m->blis, k, x, w, x, w + m->w_panel * KC, tile);
			store_tile(tile, m->w_panel, ps_min_size(m->x_panel, end_token - t), ps_min_size(m->w_panel, rows - n),
				   job->y + t * job->y_stride + first_row + n, job->y_stride, add);
		}
	}
}

static void multiply_item(void *context, size_t item, int worker)
{
	const struct product *job = context;
	const ps_matmul *m = job->m;
	size_t first_row = item / job->token_items * job->rows_per_item, rows = ps_min_size(job->rows_per_item, job->w->rows - first_row);
	size_t first_token = item % job->token_items * job->tokens_per_item;
	size_t end_token = ps_min_size(first_token + job->tokens_per_item, job->tokens);
	float *packed_w = m->packed_w + (size_t)worker * m->packed_w_floats;

	for (size_t first = 0; first < job->w->cols; first += KC) {
		size_t k = ps_min_size(KC, job->w->cols - first);

		for (size_t n = 0; n < rows; n += m->w_panel)
			pack_w_panel(job->w, first_row + n, ps_min_size(m->w_panel, rows - n), first, k, m->w_panel, packed_w + n * KC);
		multiply_block(job, packed_w, first_row, rows, first, k, first_token, end_token);
	}
}

static void zero_product(const struct product *job)
{
	for (size_t t = 0; t < job->tokens && !job->accumulate; t++)
		memset(job->y + t * job->y_stride, 0, job->w->rows * sizeof(float));
}

static size_t divide_up(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

/* The largest item among those with which the slowest thread has least to do; tokens are cut as well where
 * there are fewer items than threads, though each part then packs W for itself. */
static void cut_into_items(struct product *job)
{
	const ps_matmul *m = job->m;
	size_t threads = (size_t)ps_pool_threads(m->pool), least = SIZE_MAX;
	size_t share = ps_round_up(job->w->rows / (threads * ITEMS_PER_THREAD), m->w_panel);
	size_t largest = ps_max_size(ps_min_size(share, W_BLOCK / m->w_panel * m->w_panel), m->w_panel);

	for (size_t rows = largest; rows; rows -= m->w_panel) {
		size_t work = divide_up(divide_up(job->w->rows, rows), threads) * rows;

		if (work < least) {
			least = work;
			job->rows_per_item = rows;
		}
	}
	job->row_items = divide_up(job->w->rows, job->rows_per_item);
	job->token_items = ps_min_size(divide_up(threads, ps_max_size(job->row_items, 1)), divide_up(job->tokens, TOKENS_PER_ITEM));
	job->tokens_per_item = ps_round_up(divide_up(job->tokens, job->token_items), m->x_panel);
	job->token_items = divide_up(job->tokens, job->tokens_per_item);
}

void ps_matmul_run(ps_matmul *m, const float *x, size_t x_stride, size_t tokens, const ps_weight *w, float *y, size_t y_stride, bool accumulate)
{
	struct product job = {.m = m, .x_stride = x_stride, .w = w, .y_stride = y_stride, .accumulate = accumulate};

	for (size_t first = 0; first < tokens; first += m->token_block) {
		job.x = x + first * x_stride;
		job.y = y + first * y_stride;
		job.tokens = ps_min_size(m->token_block, tokens - first);
		if (!w->cols) {
			zero_product(&job);
			continue;
		}
		cut_into_items(&job);
		ps_pool_run(m->pool, divide_up(job.tokens, m->x_panel), pack_x_item, &job);
		ps_pool_run(m->pool, job.row_items * job.token_items, multiply_item, &job);
	}
}

void ps_matmul_ref(const float *x, size_t x_stride, size_t tokens, const ps_weight *w, float *y, size_t y_stride, bool accumulate)
{
	size_t width = ps_dtype_size(w->dtype);

	for (size_t t = 0; t < tokens; t++)
		for (size_t n = 0; n < w->rows; n++) {
			float sum = accumulate ? y[t * y_stride + n] : 0;

			for (size_t k = 0; k < w->cols; k++) {
				float value;

				ps_widen((const char *)w->data + (n * w->cols + k) * width, w->dtype, 1, &value);
				if (!w->keep || ps_bitmap_kept(w->keep + n * ps_bitmap_row_bytes(w->cols), k))
					sum += x[t * x_stride + k] * value;
			}
			y[t * y_stride + n] = sum;
		}
}
