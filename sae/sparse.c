#include "sae/sparse.h"

#include <string.h>

#include "core/checked.h"
#include "core/clones.h"
#include "sae/room.h"

enum {
	LANES = 16,     /* floats in a vector, and lanes of a dot product */
	STRIP = 8,      /* vectors that are summed in registers over all entries */
	WIDE_LANES = 8, /* of a sum in double */
};

/* Sixteen floats, at any address. Explicit, because gcc's loop transformations undo plain loops over sums here;
 * and inlined always, because a helper left outside a clone is compiled for the baseline. */
typedef float vector16 __attribute__((vector_size(64), aligned(4), may_alias));
#define HELPER static inline __attribute__((always_inline))

/* out (vectors * 16) += the entries' rows; `vectors` is a constant wherever this is inlined. */
HELPER void combine_strip(const float *matrix, size_t width, const uint32_t *row, const float *value, size_t count, int vectors,
			  float *out)
{
	vector16 sum[STRIP];

#pragma GCC unroll 8
	for (int v = 0; v < vectors; v++)
		sum[v] = *(const vector16 *)(out + v * LANES);
	for (size_t i = 0; i < count; i++) {
		const float *source = matrix + row[i] * width;

#pragma GCC unroll 8
		for (int v = 0; v < vectors; v++)
			sum[v] += value[i] * *(const vector16 *)(source + v * LANES);
	}
#pragma GCC unroll 8
	for (int v = 0; v < vectors; v++)
		*(vector16 *)(out + v * LANES) = sum[v];
}

PS_CLONES void ps_rows_combine(const float *matrix, size_t width, const uint32_t *row, const float *value, size_t count,
			       float *out)
{
	size_t first = 0;

	for (; first + STRIP * LANES <= width; first += STRIP * LANES)
		combine_strip(matrix + first, width, row, value, count, STRIP, out + first);
	for (; first + LANES <= width; first += LANES)
		combine_strip(matrix + first, width, row, value, count, 1, out + first);
	for (size_t i = 0; i < count && first < width; i++) {
		const float *source = matrix + row[i] * width;

		for (size_t d = first; d < width; d++)
			out[d] += value[i] * source[d];
	}
}

HELPER float add_lanes(float *lane)
{
	for (int half = LANES / 2; half; half /= 2)
		for (int i = 0; i < half; i++)
			lane[i] += lane[i + half];
	return lane[0];
}

HELPER float dot(const float *a, const float *b, size_t n)
{
	vector16 even = {0}, odd = {0};
	float lane[LANES];
	size_t i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		even += *(const vector16 *)(a + i) * *(const vector16 *)(b + i);
		odd += *(const vector16 *)(a + i + LANES) * *(const vector16 *)(b + i + LANES);
	}
	even += odd;
	memcpy(lane, &even, sizeof lane);
	for (; i < n; i++)
		lane[i % LANES] += a[i] * b[i];
	return add_lanes(lane);
}

PS_CLONES void ps_rows_dot(const float *matrix, size_t width, const uint32_t *row, size_t count, const float *vector, float *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = dot(matrix + row[i] * width, vector, width);
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

size_t ps_by_latent_bytes(size_t latents, size_t max_entries)
{
	ps_plan plan = {0};

	ps_plan_add(&plan, "starts", (latents + 1) * sizeof(size_t));
	for (int i = 0; i < 3; i++)
		ps_plan_add(&plan, "entries", max_entries * sizeof(float));
	return plan.total_bytes;
}

int ps_by_latent_create(ps_by_latent *list, size_t latents, size_t max_entries, ps_arena *arena, ps_diag *diag)
{
	int code = ps_room_check(arena, ps_by_latent_bytes(latents, max_entries), "sparse entries", diag);

	if (code < 0)
		return code;
	*list = (ps_by_latent){
		.latents = latents,
		.start = ps_arena_take(arena, (latents + 1) * sizeof(size_t)),
		.row = ps_arena_take(arena, max_entries * sizeof(uint32_t)),
		.value = ps_arena_take(arena, max_entries * sizeof(float)),
		.gradient = ps_arena_take(arena, max_entries * sizeof(float)),
	};
	return 0;
}

void ps_by_latent_fill(ps_by_latent *list, const ps_codes *codes, const float *gradient, float scale)
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
	/* start[j] is now the end of latent j's entries; filling from the back leaves it at their beginning. */
	for (size_t r = codes->rows; r-- > 0;) {
		for (size_t i = codes->start[r]; i < codes->start[r + 1]; i++) {
			const size_t at = --start[codes->index[i]];

			list->row[at] = (uint32_t)r;
			list->value[at] = scale * codes->value[i];
			list->gradient[at] = scale * gradient[i];
		}
	}
}
