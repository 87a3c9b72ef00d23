#include "sae/sparse.h"

#include <string.h>

#include "core/checked.h"
#include "core/clones.h"
#include "sae/room.h"

enum {
	TILE = 64,  /* columns summed in registers over all entries */
	LANES = 16, /* of a dot product */
	WIDE_LANES = 8, /* of a sum in double */
};

/* One tile of ps_rows_combine: the sums stay in registers while the entries go by. */
static inline void combine_tile(const float *matrix, size_t width, const uint32_t *row, const float *value, size_t count,
				float *restrict out)
{
	float sum[TILE];

	for (int d = 0; d < TILE; d++)
		sum[d] = out[d];
	for (size_t i = 0; i < count; i++) {
		const float *restrict source = matrix + row[i] * width;
		const float scale = value[i];

		for (int d = 0; d < TILE; d++)
			sum[d] += scale * source[d];
	}
	for (int d = 0; d < TILE; d++)
		out[d] = sum[d];
}

PS_CLONES void ps_rows_combine(const float *matrix, size_t width, const uint32_t *row, const float *value, size_t count,
			       float *out)
{
	const size_t whole = width - width % TILE;

	for (size_t first = 0; first < whole; first += TILE)
		combine_tile(matrix + first, width, row, value, count, out + first);
	for (size_t i = 0; i < count && whole < width; i++) {
		const float *source = matrix + row[i] * width;

		for (size_t d = whole; d < width; d++)
			out[d] += value[i] * source[d];
	}
}

static inline float add_lanes(const float *lane)
{
	float sum[LANES];

	memcpy(sum, lane, sizeof sum);
	for (int half = LANES / 2; half; half /= 2)
		for (int i = 0; i < half; i++)
			sum[i] += sum[i + half];
	return sum[0];
}

static inline float dot(const float *restrict a, const float *restrict b, size_t n)
{
	float even[LANES] = {0}, odd[LANES] = {0};
	size_t i = 0;

	for (; i + 2 * LANES <= n; i += 2 * LANES) {
		for (int l = 0; l < LANES; l++)
			even[l] += a[i + l] * b[i + l];
		for (int l = 0; l < LANES; l++)
			odd[l] += a[i + LANES + l] * b[i + LANES + l];
	}
	for (; i < n; i++)
		even[i % LANES] += a[i] * b[i];
	for (int l = 0; l < LANES; l++)
		even[l] += odd[l];
	return add_lanes(even);
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
