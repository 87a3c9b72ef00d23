/* One query at a time: its scores, their softmax, the weighted sum of values. Scores are dot products in fixed
 * lanes, the output sums keys in ascending order, and what lies outside a query's range is never computed. */
#include "core/attention.h"

#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/clones.h"
#include "core/ops.h"

#define LANES 16

size_t ps_attention_scratch(size_t tokens, size_t head_width)
{
	(void)head_width;
	return ps_round_up(tokens, LANES);
}

static size_t first_key(const ps_attention *a, size_t query)
{
	return a->sliding && query + 1 > a->sliding ? query + 1 - a->sliding : 0;
}

PS_CLONES
static float row_max(const float *x, size_t n)
{
	float lane[LANES];
	size_t i = 0;

	for (int l = 0; l < LANES; l++)
		lane[l] = -INFINITY;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] = x[i + (size_t)l] > lane[l] ? x[i + (size_t)l] : lane[l];
	for (; i < n; i++)
		lane[0] = x[i] > lane[0] ? x[i] : lane[0];
	for (int l = 1; l < LANES; l++)
		lane[0] = lane[l] > lane[0] ? lane[l] : lane[0];
	return lane[0];
}

PS_CLONES
static float row_sum(const float *x, size_t n)
{
	float lane[LANES] = {0};
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += x[i + (size_t)l];
	for (int l = 0; i < n; i++, l++)
		lane[l] += x[i];
	for (int width = LANES / 2; width; width /= 2)
		for (int l = 0; l < width; l++)
			lane[l] += lane[l + width];
	return lane[0];
}

/* Scores of one query against keys [begin, query], in place of probabilities until softmax. */
static void score(const ps_attention *a, size_t query, size_t begin, float *scores)
{
	const float *q = a->q + query * a->q_stride;
	float scale = (float)a->scale;

	for (size_t j = begin; j <= query; j++)
		scores[j - begin] = scale * ps_dot(q, a->k + j * a->k_stride, a->head_width);
	if (a->softcap != 0)
		ps_softcap(scores, query + 1 - begin, a->softcap);
}

PS_CLONES
static void softmax(float *x, size_t n)
{
	float max = row_max(x, n), inverse;

	for (size_t i = 0; i < n; i++)
		x[i] -= max;
	ps_exp(x, n, x);
	inverse = 1 / row_sum(x, n);
	for (size_t i = 0; i < n; i++)
		x[i] *= inverse;
}

/* out = sum over n values of p[j] v[j], in blocks of head columns that stay in registers. */
PS_CLONES
static void weigh(const float *p, const float *v, size_t stride, size_t n, size_t head_width, float *out)
{
	size_t d = 0;

	for (; d + 64 <= head_width; d += 64) {
		float sum[64] = {0};

		for (size_t j = 0; j < n; j++)
			for (size_t i = 0; i < 64; i++)
				sum[i] += p[j] * v[j * stride + d + i];
		memcpy(out + d, sum, sizeof sum);
	}
	for (; d < head_width; d++) {
		float sum = 0;

		for (size_t j = 0; j < n; j++)
			sum += p[j] * v[j * stride + d];
		out[d] = sum;
	}
}

void ps_attention_run(const ps_attention *a, size_t first, size_t count, float *scratch)
{
	for (size_t query = first; query < first + count; query++) {
		size_t begin = first_key(a, query), n = query + 1 - begin;

		score(a, query, begin, scratch);
		softmax(scratch, n);
		weigh(scratch, a->v + begin * a->v_stride, a->v_stride, n, a->head_width, a->out + query * a->out_stride);
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
