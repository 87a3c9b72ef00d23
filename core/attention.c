/* Sixteen queries at a time, one in each lane: their vectors are transposed once, then every key's scores for
 * all sixteen are one vector, a softmax runs down the keys lane by lane, and no sum crosses lanes. Scores stand
 * in scratch as (keys, 16). A lane's arithmetic is the same whatever its neighbours hold; keys that some of the
 * sixteen may not see (the diagonal, a sliding window's edge) are scored with the rest and then hidden from
 * those lanes, and their values are weighed row by row. */
#include "core/attention.h"

#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/clones.h"
#include "core/ops.h"

#define LANES ((size_t)16)	/* queries of a block */
#define KEY_GROUP ((size_t)6)	/* keys scored together: as many sums as 16 registers of 8 floats hold */
#define ROW_GROUP ((size_t)6)	/* rows of the output summed together */
#define KEY_BLOCK ((size_t)256) /* keys whose values and weights stay in the first cache */

typedef float vector16 __attribute__((vector_size(64), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* Queries [first, first + count), count <= LANES, and the keys that any of them sees: [begin, end). */
struct block {
	const ps_attention *a;
	size_t first, count, begin, end;
	float *q;      /* (head_width, LANES) */
	float *scores; /* (end - begin, LANES) */
};

size_t ps_attention_scratch(size_t tokens, size_t head_width)
{
	return (tokens + head_width) * LANES;
}

static size_t first_key(const ps_attention *a, size_t query)
{
	return a->sliding && query + 1 > a->sliding ? query + 1 - a->sliding : 0;
}

/* Lanes without a query stay zero. */
PS_CLONES
static void transpose_queries(const struct block *b)
{
	const ps_attention *a = b->a;

	memset(b->q, 0, a->head_width * LANES * sizeof(float));
	for (size_t lane = 0; lane < b->count; lane++)
		for (size_t d = 0; d < a->head_width; d++)
			b->q[d * LANES + lane] = a->q[(b->first + lane) * a->q_stride + d];
}

/* scores of `keys` neighbouring keys, d ascending. */
INLINE void score_keys(const float *q, const float *k, size_t stride, size_t head_width, float scale, size_t keys, float *scores)
{
	vector16 sum[KEY_GROUP] = {{0}};

	for (size_t d = 0; d < head_width; d++) {
		vector16 column = *(const vector16 *)(q + d * LANES);

#pragma GCC unroll 6
		for (size_t j = 0; j < keys; j++)
			sum[j] += k[j * stride + d] * column;
	}
#pragma GCC unroll 6
	for (size_t j = 0; j < keys; j++)
		*(vector16 *)(scores + j * LANES) = sum[j] * scale;
}

PS_CLONES
static void score(const struct block *b)
{
	const ps_attention *a = b->a;
	const float *k = a->k + b->begin * a->k_stride;
	size_t keys = b->end - b->begin, j = 0;

	for (; j + KEY_GROUP <= keys; j += KEY_GROUP)
		score_keys(b->q, k + j * a->k_stride, a->k_stride, a->head_width, (float)a->scale, KEY_GROUP,
			   b->scores + j * LANES);
	for (; j < keys; j++)
		score_keys(b->q, k + j * a->k_stride, a->k_stride, a->head_width, (float)a->scale, 1, b->scores + j * LANES);
}

/* Minus infinity where a lane's query does not see the key. */
static void hide(const struct block *b)
{
	for (size_t lane = 0; lane < b->count; lane++) {
		size_t query = b->first + lane, begin = first_key(b->a, query);

		for (size_t j = b->begin; j < begin; j++)
			b->scores[(j - b->begin) * LANES + lane] = -INFINITY;
		for (size_t j = query + 1; j < b->end; j++)
			b->scores[(j - b->begin) * LANES + lane] = -INFINITY;
	}
}

/* Each lane less its largest. */
PS_CLONES
static void subtract_largest(float *scores, size_t keys)
{
	float largest[LANES];

	memcpy(largest, scores, sizeof largest);
	for (size_t j = 1; j < keys; j++)
		for (size_t lane = 0; lane < LANES; lane++) {
			float s = scores[j * LANES + lane];

			largest[lane] = s > largest[lane] ? s : largest[lane];
		}
	for (size_t j = 0; j < keys; j++)
		for (size_t lane = 0; lane < LANES; lane++)
			scores[j * LANES + lane] -= largest[lane];
}

/* 1 / sum of each lane, key j going to partial sum j % 4 counted from key 0, not from the block's begin. */
PS_CLONES
static void inverse_sums(const struct block *b, float *inverse)
{
	vector16 part[4] = {{0}};

	for (size_t j = b->begin; j < b->end; j++)
		part[j % 4] += *(const vector16 *)(b->scores + (j - b->begin) * LANES);
	*(vector16 *)inverse = 1 / ((part[0] + part[1]) + (part[2] + part[3]));
}

/* out[row] (+)= sum over `keys` of weight[key, row] v[key], keys ascending, for `rows` neighbouring rows. */
INLINE void weigh_rows(const float *weight, const float *v, size_t v_stride, size_t keys, size_t head_width, size_t rows,
		       float *out, size_t out_stride)
{
	size_t d = 0;

	for (; d + LANES <= head_width; d += LANES) {
		vector16 sum[ROW_GROUP];

#pragma GCC unroll 6
		for (size_t r = 0; r < rows; r++)
			sum[r] = *(const vector16 *)(out + r * out_stride + d);
		for (size_t j = 0; j < keys; j++) {
			vector16 value = *(const vector16 *)(v + j * v_stride + d);

#pragma GCC unroll 6
			for (size_t r = 0; r < rows; r++)
				sum[r] += weight[j * LANES + r] * value;
		}
#pragma GCC unroll 6
		for (size_t r = 0; r < rows; r++)
			*(vector16 *)(out + r * out_stride + d) = sum[r];
	}
	for (; d < head_width; d++)
		for (size_t r = 0; r < rows; r++) {
			float sum = out[r * out_stride + d];

			for (size_t j = 0; j < keys; j++)
				sum += weight[j * LANES + r] * v[j * v_stride + d];
			out[r * out_stride + d] = sum;
		}
}

/* Keys [begin, end) weighed into the block's rows [row, row + rows). */
PS_CLONES
static void weigh(const struct block *b, size_t row, size_t rows, size_t begin, size_t end)
{
	const ps_attention *a = b->a;
	float *out = a->out + (b->first + row) * a->out_stride;

	for (size_t j = begin; j < end; j += KEY_BLOCK) {
		const float *weight = b->scores + (j - b->begin) * LANES + row, *v = a->v + j * a->v_stride;
		size_t keys = ps_min_size(KEY_BLOCK, end - j), r = 0;

		for (; r + ROW_GROUP <= rows; r += ROW_GROUP)
			weigh_rows(weight + r, v, a->v_stride, keys, a->head_width, ROW_GROUP, out + r * a->out_stride,
				   a->out_stride);
		for (; r + 4 <= rows; r += 4)
			weigh_rows(weight + r, v, a->v_stride, keys, a->head_width, 4, out + r * a->out_stride, a->out_stride);
		for (; r < rows; r++)
			weigh_rows(weight + r, v, a->v_stride, keys, a->head_width, 1, out + r * a->out_stride, a->out_stride);
	}
}

/* Rows see the keys of [begin, end) that all of them see together, and what is left at both sides alone. */
static void weigh_block(const struct block *b)
{
	const ps_attention *a = b->a;
	size_t last = b->first + b->count - 1, begin = ps_min_size(first_key(a, last), b->first + 1), end = b->first + 1;

	for (size_t row = 0; row < b->count; row++) {
		memset(a->out + (b->first + row) * a->out_stride, 0, a->head_width * sizeof(float));
		weigh(b, row, 1, first_key(a, b->first + row), ps_min_size(begin, b->first + row + 1));
	}
	weigh(b, 0, b->count, begin, end);
	for (size_t row = 0; row < b->count; row++)
		weigh(b, row, 1, ps_max_size(end, first_key(a, b->first + row)), b->first + row + 1);
}

PS_CLONES
static void scale_rows(const struct block *b, const float *inverse)
{
	const ps_attention *a = b->a;

	for (size_t row = 0; row < b->count; row++) {
		float *out = a->out + (b->first + row) * a->out_stride;

		for (size_t d = 0; d < a->head_width; d++)
			out[d] *= inverse[row];
	}
}

void ps_attention_run(const ps_attention *a, size_t first, size_t count, float *scratch)
{
	for (size_t i = 0; i < count; i += LANES) {
		struct block b = {.a = a, .first = first + i, .count = ps_min_size(LANES, count - i), .q = scratch};
		float inverse[LANES];
		size_t n;

		b.begin = first_key(a, b.first);
		b.end = b.first + b.count;
		b.scores = scratch + a->head_width * LANES;
		n = (b.end - b.begin) * LANES;
		transpose_queries(&b);
		score(&b);
		if (a->softcap != 0)
			ps_softcap(b.scores, n, a->softcap);
		hide(&b);
		subtract_largest(b.scores, b.end - b.begin);
		ps_exp(b.scores, n, b.scores);
		inverse_sums(&b, inverse);
		weigh_block(&b);
		scale_rows(&b, inverse);
	}
}

void ps_attention_ref(const ps_attention *a, size_t first, size_t count, double *scratch)
{
	for (size_t query = first; query < first + count; query++) {
		size_t begin = first_key(a, query);
		double max = -INFINITY, total = 0;

		for (size_t j = begin; j <= query; j++) {
			double s = 0;

			for (size_t d = 0; d < a->head_width; d++)
				s += (double)a->q[query * a->q_stride + d] * (double)a->k[j * a->k_stride + d];
			s *= a->scale;
			scratch[j] = a->softcap != 0 ? a->softcap * tanh(s / a->softcap) : s;
			max = fmax(max, scratch[j]);
		}
		for (size_t j = begin; j <= query; j++)
			total += scratch[j] = exp(scratch[j] - max);
		for (size_t d = 0; d < a->head_width; d++) {
			double sum = 0;

			for (size_t j = begin; j <= query; j++)
				sum += scratch[j] / total * (double)a->v[j * a->v_stride + d];
			a->out[query * a->out_stride + d] = (float)sum;
		}
	}
}
