/* An element has 32 bits in every packing. So one transposition moves an f32 as well as a pair of
 * bf16.
 *
 * Rows are staged sixteen at a time and then transposed. So they are read as they lie in the file,
 * whole cache lines of each. */
#include "core/model/panel.h"

#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "core/model/row_stage.h"

#define ROWS ((size_t)16) /* staged at a time */

typedef uint32_t word4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t word2 __attribute__((vector_size(8), aligned(4), may_alias));

static inline __attribute__((always_inline)) void
transpose_4x4(const uint32_t *in, size_t in_stride, uint32_t *out, size_t out_stride)
{
	word4 a = *(const word4 *)in, b = *(const word4 *)(in + in_stride),
	      c = *(const word4 *)(in + 2 * in_stride), d = *(const word4 *)(in + 3 * in_stride);
	word4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
	      ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
	word4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5),
	      cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);

	*(word4 *)out = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
	*(word4 *)(out + out_stride) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
	*(word4 *)(out + 2 * out_stride) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
	*(word4 *)(out + 3 * out_stride) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

static inline __attribute__((always_inline)) void
transpose_2x4(const uint32_t *in, size_t in_stride, uint32_t *out, size_t out_stride)
{
	word4 a = *(const word4 *)in, b = *(const word4 *)(in + in_stride);
	word4 low = __builtin_shufflevector(a, b, 0, 4, 1, 5),
	      high = __builtin_shufflevector(a, b, 2, 6, 3, 7);

	*(word2 *)out = __builtin_shufflevector(low, low, 0, 1);
	*(word2 *)(out + out_stride) = __builtin_shufflevector(low, low, 2, 3);
	*(word2 *)(out + 2 * out_stride) = __builtin_shufflevector(high, high, 0, 1);
	*(word2 *)(out + 3 * out_stride) = __builtin_shufflevector(high, high, 2, 3);
}

/* out[s, r] = in[r, s] for r < rows, s < columns. */
PS_CLONES
static void transpose(const uint32_t *in, size_t in_stride, size_t rows, size_t columns,
		      uint32_t *out, size_t out_stride)
{
	const size_t whole_columns = columns / 4 * 4;

	for (size_t s = 0; s < whole_columns; s += 4) {
		size_t r = 0;

		for (; r + 4 <= rows; r += 4)
			transpose_4x4(in + r * in_stride + s, in_stride, out + s * out_stride + r,
				      out_stride);
		if (rows - r >= 2) {
			transpose_2x4(in + r * in_stride + s, in_stride, out + s * out_stride + r,
				      out_stride);
			r += 2;
		}
		for (size_t i = s; r < rows && i < s + 4; i++)
			out[i * out_stride + r] = in[r * in_stride + i];
	}
	for (size_t s = whole_columns; s < columns; s++)
		for (size_t r = 0; r < rows; r++)
			out[s * out_stride + r] = in[r * in_stride + s];
}

/* Columns [first, first + n) of one row of a source as elements. False: a weight is not finite. */
typedef bool (*stage_fn)(const void *source, ps_packing packing, size_t row, size_t first, size_t n,
			 uint32_t *elements);

/* Rows [0, count) and columns [0, cols) of the source into lanes, from their slice 0 on. False: a
 * weight is not finite. */
static bool fill_lanes(const ps_lanes *lanes, size_t count, size_t cols, stage_fn stage,
		       const void *source)
{
	uint32_t rows[ROWS * PS_STAGE_COLUMNS] __attribute__((aligned(64)));
	bool finite = true;

	for (size_t lane = 0; lane < count; lane += ROWS)
		for (size_t done = 0; done < cols; done += PS_STAGE_COLUMNS) {
			const size_t group = ps_min_size(ROWS, count - lane),
				     n = ps_min_size(PS_STAGE_COLUMNS, cols - done);

			for (size_t r = 0; r < group; r++)
				finite &= stage(source, lanes->packing, lane + r, done, n,
						rows + r * PS_STAGE_COLUMNS);
			transpose(rows, PS_STAGE_COLUMNS, group, ps_slices(lanes->packing, n),
				  lanes->elements + ps_slices(lanes->packing, done) * lanes->width +
					  lane,
				  lanes->width);
		}
	return finite;
}

/* Rows of floats. */
struct values {
	const float *x;
	size_t stride;
};

static bool stage_values(const void *source, ps_packing packing, size_t row, size_t first, size_t n,
			 uint32_t *elements)
{
	const struct values *v = source;

	ps_stage_values(packing, v->x + row * v->stride + first, n, elements);
	return true;
}

/* A weight matrix, from one row and column on. */
struct weights {
	const ps_weight *w;
	size_t first_row, first;
};

static bool stage_weights(const void *source, ps_packing packing, size_t row, size_t first,
			  size_t n, uint32_t *elements)
{
	const struct weights *b = source;

	return ps_stage_weights(b->w, b->first_row + row, b->first + first, n, packing, elements);
}

static ps_lanes lanes_from(const ps_lanes *lanes, size_t first)
{
	return (ps_lanes){lanes->packing, lanes->width,
			  lanes->elements + ps_slices(lanes->packing, first) * lanes->width};
}

void ps_panel_put(const ps_lanes *lanes, const float *values, size_t stride, size_t count,
		  size_t first, size_t cols)
{
	const ps_lanes from = lanes_from(lanes, first);
	const struct values source = {values, stride};

	if (lanes->packing == PS_PACK_F32) /* an element is the value itself: nothing to stage */
		transpose((const uint32_t *)(const void *)values, stride, count, cols,
			  from.elements, from.width);
	else
		(void)fill_lanes(&from, count, cols, stage_values, &source);
}

void ps_panel_put_columns(const ps_lanes *lanes, const float *values, size_t stride, size_t count,
			  size_t first, size_t cols)
{
	const size_t step = ps_packing_columns(lanes->packing);

	for (size_t k = 0; k < cols; k += step) {
		const float *column = values + k * stride;

		ps_stage_slice(lanes->packing, column, k + 1 < cols ? column + stride : NULL, count,
			       lanes_from(lanes, first + k).elements);
	}
}

bool ps_panel_pack_w(const ps_lanes *lanes, const ps_weight *w, size_t first_row, size_t count,
		     size_t first, size_t cols)
{
	const struct weights source = {w, first_row, first};

	return fill_lanes(lanes, count, cols, stage_weights, &source);
}

void ps_panel_pack_x(const ps_kernel *kernel, const float *x, size_t stride, size_t count,
		     size_t cols, uint32_t *panel)
{
	const ps_lanes lanes = {kernel->packing, kernel->x_panel, panel};

	if (count < kernel->x_panel)
		memset(panel, 0,
		       ps_slices(kernel->packing, cols) * kernel->x_panel * sizeof *panel);
	ps_panel_put(&lanes, x, stride, count, 0, cols);
}

void ps_panel_unpack_x(const ps_kernel *kernel, const uint32_t *panel, size_t count, size_t cols,
		       float *x, size_t stride)
{
	for (size_t t = 0; t < count; t++)
		ps_stage_unpack(kernel->packing, panel + t, kernel->x_panel, cols, x + t * stride);
}

PS_CLONES
static void split_pairs(const uint32_t *restrict pairs, size_t slices, size_t width,
			uint32_t *restrict out)
{
	for (size_t s = 0; s < slices; s++, pairs += width, out += 2 * width)
		for (size_t i = 0; i < width; i++) {
			out[i] = pairs[i] & 0xffff0000u;
			out[width + i] = pairs[i] << 16;
		}
}

void ps_panel_widen(const uint32_t *pairs, size_t cols, size_t width, float *out)
{
	uint32_t *words = (uint32_t *)(void *)out;

	split_pairs(pairs, cols / 2, width, words);
	for (size_t i = 0; cols % 2 && i < width; i++)
		words[(cols - 1) * width + i] = pairs[cols / 2 * width + i] & 0xffff0000u;
}

ps_packing ps_panels_packing(const ps_kernel *kernel, ps_dtype stored)
{
	if (kernel->packing == PS_PACK_INT16)
		return PS_PACK_INT16;
	return stored == PS_BF16 || kernel->packing != PS_PACK_F32 ? PS_PACK_PAIRS : PS_PACK_F32;
}

static size_t panel_words(const ps_kernel *kernel, ps_packing packing, size_t cols)
{
	return ps_slices(packing, cols) * kernel->w_panel;
}

size_t ps_panels_bytes(const ps_kernel *kernel, ps_packing packing, size_t rows, size_t cols)
{
	return ps_div_up(rows, kernel->w_panel) * panel_words(kernel, packing, cols) *
	       sizeof(uint32_t);
}

/* What the items of a packing share; an item is a panel. */
struct packing {
	ps_panels *panels;
	const ps_weight *const *w;
	size_t count;
	bool not_finite; /* set by the pool's threads */
};

/* All columns of rows [first_row, first_row + count) of w into a panel's lanes from `lane` on. */
static void pack_rows(struct packing *job, const ps_weight *w, size_t first_row, size_t count,
		      size_t lane, uint32_t *panel)
{
	const ps_panels *panels = job->panels;
	const ps_lanes lanes = {panels->packing, panels->kernel->w_panel, panel + lane};

	if (!ps_panel_pack_w(&lanes, w, first_row, count, 0, panels->cols))
		__atomic_store_n(&job->not_finite, true, __ATOMIC_RELAXED);
}

static uint32_t *clear_panel(const ps_panels *panels, size_t item, bool whole)
{
	const size_t words = panel_words(panels->kernel, panels->packing, panels->cols);
	uint32_t *panel = panels->data + item * words;

	if (!whole)
		memset(panel, 0, words * sizeof *panel);
	return panel;
}

static void pack_stacked(void *context, size_t item, int worker)
{
	struct packing *job = context;
	const size_t width = job->panels->kernel->w_panel, begin = item * width,
		     end = ps_min_size(begin + width, job->panels->rows);
	uint32_t *panel = clear_panel(job->panels, item, end - begin == width);
	size_t first = 0;

	(void)worker;
	for (size_t i = 0; i < job->count; first += job->w[i++]->rows) {
		const size_t from = ps_max_size(begin, first),
			     to = ps_min_size(end, first + job->w[i]->rows);

		if (from < to)
			pack_rows(job, job->w[i], from - first, to - from, from - begin, panel);
	}
}

static void pack_halves(void *context, size_t item, int worker)
{
	struct packing *job = context;
	const size_t half = job->panels->kernel->w_panel / 2, first = item * half,
		     rows = job->w[0]->rows;
	const size_t count = ps_min_size(half, rows - first);
	uint32_t *panel = clear_panel(job->panels, item, count == half);

	(void)worker;
	for (size_t i = 0; i < 2; i++)
		pack_rows(job, job->w[i], first, count, i * half, panel);
}

bool ps_panels_pack(ps_panels *panels, ps_pool *pool, const ps_weight *const *w, size_t count)
{
	struct packing job = {.panels = panels, .w = w, .count = count};

	panels->rows = 0;
	panels->cols = w[0]->cols;
	for (size_t i = 0; i < count; i++)
		panels->rows += w[i]->rows;
	ps_pool_run(pool, ps_div_up(panels->rows, panels->kernel->w_panel), pack_stacked, &job);
	return !job.not_finite;
}

size_t ps_panels_paired_rows(const ps_kernel *kernel, size_t rows)
{
	return ps_div_up(rows, kernel->w_panel / 2) * kernel->w_panel;
}

bool ps_panels_pack_paired(ps_panels *panels, ps_pool *pool, const ps_weight *a, const ps_weight *b)
{
	const ps_weight *w[] = {a, b};
	struct packing job = {.panels = panels, .w = w, .count = 2};

	panels->rows = ps_panels_paired_rows(panels->kernel, a->rows);
	panels->cols = a->cols;
	ps_pool_run(pool, panels->rows / panels->kernel->w_panel, pack_halves, &job);
	return !job.not_finite;
}
