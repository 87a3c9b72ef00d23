#include "sae/sparse.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/clones.h"

enum {
	LANES = 8,      /* floats in a vector */
	CHAINS = 4,     /* vectors that a dot product sums into, so that it has 32 lanes */
	STRIP = 12,     /* vectors of a row that are summed in registers */
	AHEAD = 4,      /* how many entries ahead a row is prefetched */
	LINE = 16,      /* floats in a cache line */
	DOT_ROWS = 3,   /* rows of a block of dot products, which has 12 sums */
	WIDE_LANES = 8, /* lanes of a sum in double */
};

/* Eight floats, at any address. Why not plain loops over wider vectors:
 *   - gcc 12 takes wider vectors through memory where there is no AVX-512;
 *   - gcc's loop transformations undo plain loops over sums here.
 * Helpers are always inlined: one that stays outside a clone is compiled for the baseline CPU.
 * STRIP vectors, with one of a row and a factor, fit the 16 registers of AVX2. */
typedef float vector8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float vector4 __attribute__((vector_size(16)));
#define HELPER static inline __attribute__((always_inline))

/* Adds the entries' rows, times their values, to out (vectors * 8). `vectors` is a constant
 * wherever this is inlined. */
HELPER void combine_strip(const float *matrix, size_t width, const uint32_t *row,
			  const float *value, size_t count, int vectors, float *out)
{
	vector8 sum[STRIP];

#pragma GCC unroll 12
	for (int v = 0; v < vectors; v++)
		sum[v] = *(const vector8 *)(out + v * LANES);
	for (size_t i = 0; i < count; i++) {
		const float *source = matrix + row[i] * width,
			    *later = matrix + row[i + AHEAD < count ? i + AHEAD : i] * width;

#pragma GCC unroll 12
		for (int v = 0; v < vectors; v += LINE / LANES)
			__builtin_prefetch(later + v * LANES);
#pragma GCC unroll 12
		for (int v = 0; v < vectors; v++)
			sum[v] += value[i] * *(const vector8 *)(source + v * LANES);
	}
#pragma GCC unroll 12
	for (int v = 0; v < vectors; v++)
		*(vector8 *)(out + v * LANES) = sum[v];
}

PS_CLONES void ps_rows_combine_columns(const float *matrix, size_t width, size_t columns,
				       const uint32_t *row, const float *value, size_t count,
				       float *out)
{
	size_t first = 0;

	for (; first + STRIP * LANES <= columns; first += STRIP * LANES)
		combine_strip(matrix + first, width, row, value, count, STRIP, out + first);
	for (; first + LANES <= columns; first += LANES)
		combine_strip(matrix + first, width, row, value, count, 1, out + first);
	for (size_t i = 0; i < count && first < columns; i++) {
		const float *source = matrix + row[i] * width;

		for (size_t d = first; d < columns; d++)
			out[d] += value[i] * source[d];
	}
}

/* Finishes a dot product: adds the `left` products that do not fill all lanes, then the lanes in
 * halves. */
HELPER float finish_dot(const vector8 *chain, const float *a, const float *b, size_t left)
{
	vector8 pair[2] = {chain[0] + chain[2], chain[1] + chain[3]};
	float lane[2 * LANES];
	vector4 half;

	if (left) {
		memcpy(lane, pair, sizeof lane);
		for (size_t i = 0; i < left; i++)
			lane[i % (2 * LANES)] += a[i] * b[i];
		memcpy(pair, lane, sizeof lane);
	}
	pair[0] += pair[1];
	half = __builtin_shufflevector(pair[0], pair[0], 0, 1, 2, 3) +
	       __builtin_shufflevector(pair[0], pair[0], 4, 5, 6, 7);
	half += __builtin_shufflevector(half, half, 2, 3, 2, 3);
	return half[0] + half[1];
}

/* out[r] = a[r] . b for a block of rows of a, `stride` floats apart. later: the row to prefetch.
 * `rows` is a constant wherever this is inlined. */
HELPER void dot_block(const float *a, size_t stride, const float *b, const float *later, size_t n,
		      int rows, float *out)
{
	vector8 chain[DOT_ROWS][CHAINS] = {{{0}}};
	size_t i = 0;

	for (; i + CHAINS * LANES <= n; i += CHAINS * LANES) {
		__builtin_prefetch(later + i);
		__builtin_prefetch(later + i + LINE);
#pragma GCC unroll 4
		for (int c = 0; c < CHAINS; c++) {
			const vector8 values = *(const vector8 *)(b + i + c * LANES);

#pragma GCC unroll 3
			for (int r = 0; r < rows; r++)
				chain[r][c] +=
					*(const vector8 *)(a + r * stride + i + c * LANES) * values;
		}
	}
#pragma GCC unroll 3
	for (int r = 0; r < rows; r++)
		out[r] = finish_dot(chain[r], a + r * stride + i, b + i, n - i);
}

PS_CLONES void ps_rows_dot(const float *matrix, size_t width, const uint32_t *row, size_t count,
			   const float *vector, float *out)
{
	for (size_t i = 0; i < count; i++)
		dot_block(vector, 0, matrix + row[i] * width,
			  matrix + row[i + AHEAD < count ? i + AHEAD : i] * width, width, 1,
			  out + i);
}

PS_CLONES void ps_rows_add_dot(const float *matrix, size_t width, size_t columns,
			       const uint32_t *row, size_t count, const float *vector, float *out)
{
	for (size_t i = 0; i < count; i++) {
		const float *source = matrix + row[i] * width;
		float sum;

		dot_block(vector, 0, source, source, columns, 1, &sum);
		out[i] += sum;
	}
}

PS_CLONES void ps_all_rows_dot(const float *matrix, size_t width, size_t count,
			       const float *vectors, size_t rows, float *out)
{
	for (size_t i = 0; i < count; i++) {
		const float *row = matrix + i * width;
		size_t r = 0;

		for (; r + DOT_ROWS <= rows; r += DOT_ROWS) {
			float sum[DOT_ROWS];

			dot_block(vectors + r * width, width, row, row, width, DOT_ROWS, sum);
			for (size_t v = 0; v < DOT_ROWS; v++)
				out[(r + v) * count + i] = sum[v];
		}
		for (; r < rows; r++)
			dot_block(vectors + r * width, width, row, row, width, 1,
				  out + r * count + i);
	}
}

PS_CLONES double ps_squared_norm(const float *vector, size_t n)
{
	double lane[WIDE_LANES] = {0};
	size_t i = 0;

	for (; i + WIDE_LANES <= n; i += WIDE_LANES)
		for (int l = 0; l < WIDE_LANES; l++)
			lane[l] += (double)vector[i + l] * vector[i + l];
	for (; i < n; i++)
		lane[i % WIDE_LANES] += (double)vector[i] * vector[i];
	for (int half = WIDE_LANES / 2; half; half /= 2)
		for (int l = 0; l < half; l++)
			lane[l] += lane[l + half];
	return lane[0];
}

double ps_norm_in_order(const float *vector, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)vector[i] * vector[i];
	return sqrt(sum);
}

void ps_by_latent_lay_out(ps_sae_layout *layout, ps_by_latent *list, size_t latents,
			  size_t max_entries, bool gradients)
{
	*list = (ps_by_latent){
		.latents = latents,
		.start = ps_sae_part(layout, latents + 1, sizeof(size_t)),
		.row = ps_sae_part(layout, max_entries, sizeof(uint32_t)),
		.value = ps_sae_part(layout, max_entries, sizeof(float)),
		.gradient = gradients ? ps_sae_part(layout, max_entries, sizeof(float)) : NULL,
	};
}

void ps_by_latent_fill(ps_by_latent *list, const ps_codes *codes, const float *gradient,
		       float scale)
{
	const size_t entries = codes->start[codes->rows];
	size_t *start = list->start;

	memset(start, 0, (list->latents + 1) * sizeof *start);
	for (size_t i = 0; i < entries; i++)
		start[codes->index[i]]++;
	for (size_t j = 0, total = 0; j <= list->latents; j++) {
		total += start[j];
		start[j] = total;
	}
	/* start[j] is now the end of latent j's entries. Filling them from the back moves it to the
	 * first of them. */
	for (size_t r = codes->rows; r-- > 0;) {
		for (size_t i = codes->start[r]; i < codes->start[r + 1]; i++) {
			const size_t at = --start[codes->index[i]];

			list->row[at] = (uint32_t)r;
			list->value[at] = scale * codes->value[i];
			if (gradient)
				list->gradient[at] = scale * gradient[i];
		}
	}
}
