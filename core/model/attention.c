/* How a call works, one panel of query rows at a time:
 *   1. The scores of the rows against one panel of keys after another are tiles of a product
 *      (score).
 *   2. Rows of scores become rows of exponentials (exponentials).
 *   3. These are packed as X and multiplied by the packed values; that is the output (weigh).
 *
 * A row's result does not depend on which rows share its panel, for two reasons. Keys that are
 * summed together form blocks that begin at multiples of the kernel's block, counted from key 0.
 * And a hidden key has the weight 0. But 0 times a value that is not finite is not 0. So a row
 * whose result is not finite is computed once more, with the values that it does not see set to 0
 * (finish_row, seen_values). */
#include "core/model/attention.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"
#include "core/base/finite.h"
#include "core/model/ops.h"
#include "core/model/panel.h"

#define LINE ((size_t)16) /* floats of a cache line */

/* Queries [first, first + count), count <= x_panel, and the keys [begin, end) that any of them
 * sees; begin is a multiple of w_panel. */
struct panel {
	const ps_attention *a;
	size_t first, count, begin, end;
	const float *q_rows;
	float *out_rows;
	uint32_t *q;   /* (slices(d), x_panel) */
	float *scores; /* (x_panel, stride), column 0 is key `begin`; later the exponentials */
	size_t stride;
	uint32_t *weights; /* the exponentials, packed: (slices(end - begin), x_panel) */
	float *tile;       /* (x_panel, w_panel) */
	uint32_t *seen;    /* (slices(block), w_panel): values, 0 where a row does not see them */
};

static size_t key_panel_words(const ps_keys *keys)
{
	return ps_slices(keys->kernel->packing, keys->head_width) * keys->kernel->w_panel;
}

static size_t value_panel_words(const ps_keys *keys)
{
	return ps_slices(keys->kernel->packing, keys->tokens) * keys->kernel->w_panel;
}

static size_t panels_of(const ps_keys *keys, size_t count)
{
	return ps_div_up(count, keys->kernel->w_panel);
}

size_t ps_keys_words(const ps_kernel *kernel, size_t tokens, size_t head_width)
{
	const ps_keys keys = {.kernel = kernel, .head_width = head_width, .tokens = tokens};

	return ps_round_up(panels_of(&keys, tokens) * key_panel_words(&keys), LINE) +
	       ps_round_up(panels_of(&keys, head_width) * value_panel_words(&keys), LINE);
}

static uint32_t *key_panel(const ps_keys *keys, size_t first_key)
{
	return keys->words + first_key / keys->kernel->w_panel * key_panel_words(keys);
}

static uint32_t *value_panel(const ps_keys *keys, size_t first_dimension)
{
	return keys->words +
	       ps_round_up(panels_of(keys, keys->tokens) * key_panel_words(keys), LINE) +
	       first_dimension / keys->kernel->w_panel * value_panel_words(keys);
}

void ps_keys_pack(const ps_keys *keys, size_t first, size_t count, const float *k, size_t k_stride,
		  const float *v, size_t v_stride)
{
	const ps_kernel *kernel = keys->kernel;
	const size_t width = kernel->w_panel, end = first + count;

	for (size_t j = first; j < end; j += width)
		ps_panel_put(&(ps_lanes){kernel->packing, width, key_panel(keys, j)},
			     k + j * k_stride, k_stride, ps_min_size(width, end - j), 0,
			     keys->head_width);
	for (size_t d = 0; d < keys->head_width; d += width)
		ps_panel_put_columns(&(ps_lanes){kernel->packing, width, value_panel(keys, d)},
				     v + first * v_stride + d, v_stride,
				     ps_min_size(width, keys->head_width - d), first, count);
}

/* Sizes of the parts of the scratch, in floats; each part begins on a cache line. */
static size_t query_floats(const ps_kernel *kernel, size_t head_width)
{
	return ps_round_up(ps_slices(kernel->packing, head_width) * kernel->x_panel, LINE);
}

static size_t row_floats(const ps_kernel *kernel, size_t tokens)
{
	return ps_round_up(ps_round_up(tokens, kernel->w_panel), LINE);
}

static size_t tile_floats(const ps_kernel *kernel)
{
	return ps_round_up(kernel->x_panel * kernel->w_panel, LINE);
}

size_t ps_attention_scratch(const ps_kernel *kernel, size_t tokens, size_t head_width)
{
	return query_floats(kernel, head_width) + 2 * kernel->x_panel * row_floats(kernel, tokens) +
	       tile_floats(kernel) +
	       ps_round_up(ps_slices(kernel->packing, kernel->block) * kernel->w_panel, LINE);
}

static size_t first_key(const ps_attention *a, size_t query)
{
	return a->sliding && query + 1 > a->sliding ? query + 1 - a->sliding : 0;
}

static struct panel open_panel(const ps_attention *a, size_t first, size_t count, size_t done,
			       float *scratch)
{
	const ps_kernel *kernel = a->keys.kernel;
	struct panel p = {
		.a = a,
		.first = first + done,
		.count = count,
		.begin = first_key(a, first + done) / kernel->w_panel * kernel->w_panel,
		.end = first + done + count,
		.q_rows = a->q + done * a->q_stride,
		.out_rows = a->out + done * a->out_stride,
		.q = (uint32_t *)(void *)scratch,
		.stride = row_floats(kernel, a->keys.tokens),
	};

	p.scores = scratch + query_floats(kernel, a->keys.head_width);
	p.weights = (uint32_t *)(void *)(p.scores + kernel->x_panel * p.stride);
	p.tile = p.scores + 2 * kernel->x_panel * p.stride;
	p.seen = (uint32_t *)(void *)(p.tile + tile_floats(kernel));
	return p;
}

/* Copies `columns` columns of the tile's rows [first, end) to the same rows of `to`. */
static void copy_tile(const struct panel *p, size_t first, size_t end, size_t columns, float *to,
		      size_t stride)
{
	const size_t width = p->a->keys.kernel->w_panel;

	ps_copy_rows(to + first * stride, stride, p->tile + first * width, width, end - first,
		     columns);
}

/* scores = q . k for the keys [begin, end). */
static void score(const struct panel *p)
{
	const ps_keys *keys = &p->a->keys;
	const ps_kernel *kernel = keys->kernel;

	ps_panel_pack_x(kernel, p->q_rows, p->a->q_stride, p->count, keys->head_width, p->q);
	for (size_t j = p->begin; j < p->end; j += kernel->w_panel) {
		for (size_t d = 0; d < keys->head_width; d += kernel->block)
			kernel->tile(kernel,
				     ps_slices(kernel->packing,
					       ps_min_size(kernel->block, keys->head_width - d)),
				     p->q + ps_slices(kernel->packing, d) * kernel->x_panel,
				     key_panel(keys, j) +
					     ps_slices(kernel->packing, d) * kernel->w_panel,
				     p->tile, d > 0);
		copy_tile(p, 0, p->count, kernel->w_panel, p->scores + j - p->begin, p->stride);
	}
}

PS_CLONES
static void scale_by(float *x, size_t n, float factor)
{
	for (size_t i = 0; i < n; i++)
		x[i] *= factor;
}

/* Turns row r's scores into exponentials, 0 for the keys that it does not see. Returns 1 / their
 * sum. */
static float exponentials(const struct panel *p, size_t r)
{
	const ps_attention *a = p->a;
	const size_t from = first_key(a, p->first + r) - p->begin, to = p->first + r + 1 - p->begin;
	float *row = p->scores + r * p->stride;

	memset(row, 0, from * sizeof *row);
	memset(row + to, 0, (p->end - p->begin - to) * sizeof *row);
	scale_by(row + from, to - from, (float)a->scale);
	if (a->softcap != 0)
		ps_softcap(row + from, to - from, a->softcap);
	return 1 / ps_exp_sum(row + from, to - from);
}

/* Which bits of an element belong to keys in [from, to), if the element begins with key j. */
static uint32_t seen_bits(ps_packing packing, size_t j, size_t from, size_t to)
{
	if (ps_packing_columns(packing) == 1)
		return j >= from && j < to ? UINT32_MAX : 0;
	return (j >= from && j < to ? 0xffff0000u : 0) |
	       (j + 1 >= from && j + 1 < to ? 0x0000ffffu : 0);
}

/* A copy of the values of keys [first, end), 0 for the keys that row r does not see. */
static const uint32_t *seen_values(const struct panel *p, const uint32_t *values, size_t first,
				   size_t end, size_t r)
{
	const ps_kernel *kernel = p->a->keys.kernel;
	const size_t slices = ps_slices(kernel->packing, end - first),
		     step = ps_packing_columns(kernel->packing);
	const size_t from = first_key(p->a, p->first + r), to = p->first + r + 1;

	for (size_t s = 0; s < slices; s++) {
		const uint32_t bits = seen_bits(kernel->packing, first + s * step, from, to);

		for (size_t i = s * kernel->w_panel; i < (s + 1) * kernel->w_panel; i++)
			p->seen[i] = values[i] & bits;
	}
	return p->seen;
}

/* out = weights times values. alone: only row r, and only with values that it sees. */
static void weigh(const struct panel *p, bool alone, size_t r)
{
	const ps_keys *keys = &p->a->keys;
	const ps_kernel *kernel = keys->kernel;

	for (size_t d = 0; d < keys->head_width; d += kernel->w_panel) {
		const uint32_t *panel = value_panel(keys, d);

		for (size_t j = p->begin, next; j < p->end; j = next) {
			const uint32_t *values =
				panel + ps_slices(kernel->packing, j) * kernel->w_panel;

			next = ps_min_size((j / kernel->block + 1) * kernel->block, p->end);
			if (alone)
				values = seen_values(p, values, j, next, r);
			kernel->tile(kernel, ps_slices(kernel->packing, next - j),
				     p->weights + ps_slices(kernel->packing, j - p->begin) *
							  kernel->x_panel,
				     values, p->tile, j > p->begin);
		}
		copy_tile(p, alone ? r : 0, alone ? r + 1 : p->count,
			  ps_min_size(kernel->w_panel, keys->head_width - d), p->out_rows + d,
			  p->a->out_stride);
	}
}

/* Divides row r by the sum of its weights. False if it then holds a number that is not finite. */
static bool finish_row(const struct panel *p, size_t r, float inverse)
{
	float *out = p->out_rows + r * p->a->out_stride;

	scale_by(out, p->a->keys.head_width, inverse);
	return ps_all_finite(out, p->a->keys.head_width);
}

void ps_attention_run(const ps_attention *a, size_t first, size_t count, float *scratch)
{
	const size_t width = a->keys.kernel->x_panel;

	for (size_t done = 0; done < count; done += width) {
		const struct panel p =
			open_panel(a, first, ps_min_size(width, count - done), done, scratch);
		float inverse[PS_PANEL_MAX];

		score(&p);
		for (size_t r = 0; r < p.count; r++)
			inverse[r] = exponentials(&p, r);
		ps_panel_pack_x(a->keys.kernel, p.scores, p.stride, p.count, p.end - p.begin,
				p.weights);
		weigh(&p, false, 0);
		for (size_t r = 0; r < p.count; r++)
			if (!finish_row(&p, r, inverse[r])) {
				weigh(&p, true, r);
				(void)finish_row(&p, r, inverse[r]);
			}
	}
}

void ps_attention_ref(const ps_attention *a, const float *k, const float *v, size_t stride,
		      size_t first, size_t count, double *scratch)
{
	for (size_t i = 0; i < count; i++) {
		const size_t query = first + i, begin = first_key(a, query);
		const float *q = a->q + i * a->q_stride;
		double max = -INFINITY, total = 0;

		for (size_t j = begin; j <= query; j++) {
			double s = 0;

			for (size_t d = 0; d < a->keys.head_width; d++)
				s += (double)q[d] * (double)k[j * stride + d];
			s *= a->scale;
			scratch[j] = a->softcap != 0 ? a->softcap * tanh(s / a->softcap) : s;
			max = fmax(max, scratch[j]);
		}
		for (size_t j = begin; j <= query; j++)
			total += scratch[j] = exp(scratch[j] - max);
		for (size_t d = 0; d < a->keys.head_width; d++) {
			double sum = 0;

			for (size_t j = begin; j <= query; j++)
				sum += scratch[j] / total * (double)v[j * stride + d];
			a->out[i * a->out_stride + d] = (float)sum;
		}
	}
}
