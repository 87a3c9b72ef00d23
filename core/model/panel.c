/* Why 32-bit elements throughout: an f32 and a pair of bf16 are then moved by the same transposition. Why rows of W are
 * first loaded sixteen at a time: they are read as they stand in the file, whole cache lines of each. */
#include "core/model/panel.h"

#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"

#define COLUMNS ((size_t)256) /* loaded at a time */
#define ROWS ((size_t)16)

typedef uint32_t word4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t word8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef uint16_t half8 __attribute__((vector_size(16), aligned(2), may_alias));

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

/* out[s, r] = in[r, s] for r < rows, s < columns. */
PS_CLONES
static void transpose(const uint32_t *in, size_t in_stride, size_t rows, size_t columns,
		      uint32_t *out, size_t out_stride)
{
	size_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;

	for (size_t s = 0; s < whole_columns; s += 4) {
		for (size_t r = 0; r < whole_rows; r += 4)
			transpose_4x4(in + r * in_stride + s, in_stride, out + s * out_stride + r,
				      out_stride);
		for (size_t r = whole_rows; r < rows; r++)
			for (size_t i = s; i < s + 4; i++)
				out[i * out_stride + r] = in[r * in_stride + i];
	}
	for (size_t s = whole_columns; s < columns; s++)
		for (size_t r = 0; r < rows; r++)
			out[s * out_stride + r] = in[r * in_stride + s];
}

/* Bits of a float rounded to bf16, in the high half; as ps_f32_to_bf16, for the compiler to vectorise. */
static inline uint32_t rounded(uint32_t bits)
{
	uint32_t nan = bits | 0x400000u, near = bits + 0x7fffu + (bits >> 16 & 1);

	return ((bits & 0x7fffffffu) > 0x7f800000u ? nan : near) & 0xffff0000u;
}

PS_CLONES
static void round_words(const uint32_t *restrict x, size_t n, uint32_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = rounded(x[i]);
}

/* out[i] = x[2i] in the high half, x[2i + 1] in the low one. */
PS_CLONES
static void pair_words(const uint32_t *restrict x, size_t pairs, uint32_t *restrict out)
{
	for (size_t i = 0; i < pairs; i++)
		out[i] = rounded(x[2 * i]) | rounded(x[2 * i + 1]) >> 16;
}

PS_CLONES
static void pair_halves(const uint16_t *restrict x, size_t pairs, uint32_t *restrict out)
{
	for (size_t i = 0; i < pairs; i++)
		out[i] = (uint32_t)x[2 * i] << 16 | x[2 * i + 1];
}

PS_CLONES
static void widen_halves(const uint16_t *restrict x, size_t n, uint32_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint32_t)x[i] << 16;
}

static const uint32_t *words_at(const float *x)
{
	return (const uint32_t *)(const void *)x;
}

/* n floats as the elements of a panel; returns how many. */
static size_t elements_of(ps_dtype dtype, bool round, const uint32_t *x, size_t n, uint32_t *out)
{
	if (dtype == PS_F32) {
		if (round)
			round_words(x, n, out);
		else
			memcpy(out, x, n * sizeof *out);
		return n;
	}
	pair_words(x, n / 2, out);
	if (n % 2)
		out[n / 2] = rounded(x[n - 1]);
	return ps_div_up(n, 2);
}

void ps_panel_put(const ps_kernel *kernel, size_t width, const float *values, size_t stride,
		  size_t count, size_t first, size_t cols, uint32_t *panel)
{
	uint32_t rows[ROWS * COLUMNS];

	for (size_t lane = 0; lane < count; lane += ROWS)
		for (size_t done = 0; done < cols; done += COLUMNS) {
			size_t group = ps_min_size(ROWS, count - lane),
			       n = ps_min_size(COLUMNS, cols - done), slices = 0;

			for (size_t r = 0; r < group; r++)
				slices = elements_of(kernel->dtype, kernel->round,
						     words_at(values + (lane + r) * stride + done),
						     n, rows + r * COLUMNS);
			transpose(rows, COLUMNS, group, slices,
				  panel + ps_slices(kernel->dtype, first + done) * width + lane,
				  width);
		}
}

/* out[i] = a[i] in the high half, b[i] in the low one. */
PS_CLONES
static void pair_rows(const uint32_t *restrict a, const uint32_t *restrict b, size_t n,
		      uint32_t *restrict out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = rounded(a[i]) | rounded(b[i]) >> 16;
}

void ps_panel_put_columns(const ps_kernel *kernel, size_t width, const float *values, size_t stride,
			  size_t count, size_t first, size_t cols, uint32_t *panel)
{
	const size_t step = kernel->dtype == PS_BF16 ? 2 : 1;

	for (size_t k = 0; k < cols; k += step) {
		const uint32_t *column = words_at(values + k * stride);
		uint32_t *out = panel + ps_slices(kernel->dtype, first + k) * width;

		if (kernel->dtype == PS_F32)
			(void)elements_of(PS_F32, kernel->round, column, count, out);
		else if (k + 1 < cols)
			pair_rows(column, column + stride, count, out);
		else
			round_words(column, count, out);
	}
}

void ps_panel_pack_x(const ps_kernel *kernel, const float *x, size_t stride, size_t count,
		     size_t cols, uint32_t *panel)
{
	if (count < kernel->x_panel)
		memset(panel, 0, ps_slices(kernel->dtype, cols) * kernel->x_panel * sizeof *panel);
	if (kernel->dtype == PS_F32 && !kernel->round)
		transpose(words_at(x), stride, count, cols, panel, kernel->x_panel);
	else
		ps_panel_put(kernel, kernel->x_panel, x, stride, count, 0, cols, panel);
}

void ps_panel_unpack_x(const ps_kernel *kernel, const uint32_t *panel, size_t count, size_t cols,
		       float *x, size_t stride)
{
	for (size_t t = 0; t < count; t++)
		for (size_t k = 0; k < cols; k++) {
			uint32_t bits =
				panel[(kernel->dtype == PS_F32 ? k : k / 2) * kernel->x_panel + t];

			if (kernel->dtype == PS_BF16)
				bits = k % 2 ? bits << 16 : bits & 0xffff0000u;
			memcpy(x + t * stride + k, &bits, sizeof bits);
		}
}

/* values[i] = 0 where bit i is clear. */
PS_CLONES
static void mask_words(const uint8_t *bits, size_t count, uint32_t *values)
{
	const word8 bit = {1, 2, 4, 8, 16, 32, 64, 128};
	size_t whole = count / 8;

	for (size_t b = 0; b < whole; b++)
		*(word8 *)(values + 8 * b) &= (word8)((bits[b] & bit) != 0);
	for (size_t i = 8 * whole; i < count; i++)
		if (!ps_bitmap_kept(bits, i))
			values[i] = 0;
}

PS_CLONES
static void mask_halves(const uint8_t *bits, size_t count, uint16_t *values)
{
	const half8 bit = {1, 2, 4, 8, 16, 32, 64, 128};
	size_t whole = count / 8;

	for (size_t b = 0; b < whole; b++)
		*(half8 *)(values + 8 * b) &= (half8)((bits[b] & bit) != 0);
	for (size_t i = 8 * whole; i < count; i++)
		if (!ps_bitmap_kept(bits, i))
			values[i] = 0;
}

/* Elements of n <= COLUMNS columns of a row of bf16 weights. keep: the bits from the first of them on, or NULL. */
static size_t load_halves(const char *src, const uint8_t *keep, size_t n, ps_dtype dtype,
			  uint32_t *out)
{
	uint16_t half[COLUMNS + 1];

	memcpy(half, src, n * sizeof *half);
	if (keep)
		mask_halves(keep, n, half);
	if (dtype == PS_F32) {
		widen_halves(half, n, out);
		return n;
	}
	half[n] = 0;
	pair_halves(half, ps_div_up(n, 2), out);
	return ps_div_up(n, 2);
}

static size_t load_row(const ps_weight *w, size_t row, size_t first, size_t n, ps_dtype dtype,
		       bool round, uint32_t *out)
{
	const char *src = (const char *)w->data + (row * w->cols + first) * ps_dtype_size(w->dtype);
	const uint8_t *keep =
		w->keep ? w->keep + row * ps_bitmap_row_bytes(w->cols) + first / 8 : NULL;
	uint32_t wide[COLUMNS];

	if (w->dtype == PS_BF16)
		return load_halves(src, keep, n, dtype, out);
	ps_widen(src, w->dtype, n, (float *)(void *)wide);
	if (keep)
		mask_words(keep, n, wide);
	return elements_of(dtype, round, wide, n, out);
}

void ps_panel_pack_w(const ps_weight *w, size_t first_row, size_t count, size_t first, size_t cols,
		     ps_dtype dtype, bool round, size_t width, size_t lane, uint32_t *panel)
{
	uint32_t rows[ROWS * COLUMNS];

	for (size_t r = 0; r < count; r += ROWS)
		for (size_t done = 0; done < cols; done += COLUMNS) {
			size_t group = ps_min_size(ROWS, count - r),
			       n = ps_min_size(COLUMNS, cols - done), slices = 0;

			for (size_t i = 0; i < group; i++)
				slices = load_row(w, first_row + r + i, first + done, n, dtype,
						  round, rows + i * COLUMNS);
			transpose(rows, COLUMNS, group, slices,
				  panel + ps_slices(dtype, done) * width + lane + r, width);
		}
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

ps_dtype ps_panels_dtype(const ps_kernel *kernel, ps_dtype weights)
{
	return weights == PS_BF16 || kernel->dtype == PS_BF16 || kernel->round ? PS_BF16 : PS_F32;
}

static size_t panel_words(const ps_kernel *kernel, ps_dtype dtype, size_t cols)
{
	return ps_slices(dtype, cols) * kernel->w_panel;
}

size_t ps_panels_bytes(const ps_kernel *kernel, ps_dtype dtype, size_t rows, size_t cols)
{
	return ps_div_up(rows, kernel->w_panel) * panel_words(kernel, dtype, cols) *
	       sizeof(uint32_t);
}

/* What the items of a packing share; an item is a panel. */
struct packing {
	ps_panels *panels;
	const ps_weight *const *w;
	size_t count;
};

/* Rows of a matrix into lanes of a panel, as far as there are any. */
static void fill_lanes(const ps_panels *panels, const ps_weight *w, size_t first_row, size_t count,
		       size_t lane, uint32_t *panel)
{
	ps_panel_pack_w(w, first_row, count, 0, panels->cols, panels->dtype, panels->kernel->round,
			panels->kernel->w_panel, lane, panel);
}

static uint32_t *clear_panel(const ps_panels *panels, size_t item, bool whole)
{
	const size_t words = panel_words(panels->kernel, panels->dtype, panels->cols);
	uint32_t *panel = panels->data + item * words;

	if (!whole)
		memset(panel, 0, words * sizeof *panel);
	return panel;
}

static void pack_stacked(void *context, size_t item, int worker)
{
	const struct packing *job = context;
	const size_t width = job->panels->kernel->w_panel, begin = item * width,
		     end = ps_min_size(begin + width, job->panels->rows);
	uint32_t *panel = clear_panel(job->panels, item, end - begin == width);
	size_t first = 0;

	(void)worker;
	for (size_t i = 0; i < job->count; first += job->w[i++]->rows) {
		const size_t from = ps_max_size(begin, first),
			     to = ps_min_size(end, first + job->w[i]->rows);

		if (from < to)
			fill_lanes(job->panels, job->w[i], from - first, to - from, from - begin,
				   panel);
	}
}

static void pack_halves(void *context, size_t item, int worker)
{
	const struct packing *job = context;
	const size_t half = job->panels->kernel->w_panel / 2, first = item * half,
		     rows = job->w[0]->rows;
	const size_t count = ps_min_size(half, rows - first);
	uint32_t *panel = clear_panel(job->panels, item, count == half);

	(void)worker;
	for (size_t i = 0; i < 2; i++)
		fill_lanes(job->panels, job->w[i], first, count, i * half, panel);
}

void ps_panels_pack(ps_panels *panels, ps_pool *pool, const ps_weight *const *w, size_t count)
{
	struct packing job = {.panels = panels, .w = w, .count = count};

	panels->rows = 0;
	panels->cols = w[0]->cols;
	for (size_t i = 0; i < count; i++)
		panels->rows += w[i]->rows;
	ps_pool_run(pool, ps_div_up(panels->rows, panels->kernel->w_panel), pack_stacked, &job);
}

size_t ps_panels_paired_rows(const ps_kernel *kernel, size_t rows)
{
	return ps_div_up(rows, kernel->w_panel / 2) * kernel->w_panel;
}

void ps_panels_pack_paired(ps_panels *panels, ps_pool *pool, const ps_weight *a, const ps_weight *b)
{
	const ps_weight *w[] = {a, b};
	struct packing job = {.panels = panels, .w = w, .count = 2};

	panels->rows = ps_panels_paired_rows(panels->kernel, a->rows);
	panels->cols = a->cols;
	ps_pool_run(pool, panels->rows / panels->kernel->w_panel, pack_halves, &job);
}
