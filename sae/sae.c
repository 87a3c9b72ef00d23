#include "sae/sae.h"

#include <string.h>

#include "core/base/checked.h"
#include "sae/room.h"

/* Besides the bias at most: gated's two. */
enum { LATENT_VECTORS = 2 };

static float *take_zeros(ps_arena *arena, size_t count)
{
	float *values = ps_arena_take(arena, count * sizeof *values);

	memset(values, 0, count * sizeof *values);
	return values;
}

static bool shape_fits(size_t d_in, size_t d_sae, size_t *elements)
{
	size_t bytes;

	return d_in && d_sae && d_sae <= UINT32_MAX && ps_size_mul(d_in, d_sae, elements) &&
	       ps_size_mul(*elements, 4 * sizeof(float), &bytes);
}

size_t ps_sae_bytes(size_t d_in, size_t d_sae)
{
	ps_plan plan = {0};
	size_t elements;

	if (!shape_fits(d_in, d_sae, &elements))
		return SIZE_MAX;
	ps_plan_add(&plan, "encoder", elements * sizeof(float));
	ps_plan_add(&plan, "decoder", elements * sizeof(float));
	ps_plan_add(&plan, "encoder bias", d_sae * sizeof(float));
	for (int i = 0; i < LATENT_VECTORS; i++)
		ps_plan_add(&plan, "parameters of latents", d_sae * sizeof(float));
	ps_plan_add(&plan, "decoder bias", d_in * sizeof(float));
	return plan.total_bytes;
}

int ps_sae_create(ps_sae *sae, ps_sae_arch arch, size_t d_in, size_t d_sae, size_t k,
		  ps_arena *arena, ps_diag *diag)
{
	size_t elements;
	int code;

	if (!shape_fits(d_in, d_sae, &elements))
		return ps_fail(diag, PS_EINPUT,
			       "an SAE of %zu inputs and %zu latents is not possible", d_in, d_sae);
	if (arch == PS_SAE_TOPK && (!k || k > d_sae))
		return ps_fail(diag, PS_EINPUT,
			       "k is %zu, it must lie between 1 and the number of latents, %zu", k,
			       d_sae);
	code = ps_room_check(arena, ps_sae_bytes(d_in, d_sae), "an SAE", diag);
	if (code < 0)
		return code;
	*sae = (ps_sae){
		.arch = arch,
		.d_in = d_in,
		.d_sae = d_sae,
		.k = k,
		.apply_b_dec_to_input = true,
		.enc = take_zeros(arena, elements),
		.dec = take_zeros(arena, elements),
		.b_enc = take_zeros(arena, d_sae),
		.b_dec = take_zeros(arena, d_in),
	};
	if (arch == PS_SAE_JUMPRELU)
		sae->threshold = take_zeros(arena, d_sae);
	if (arch == PS_SAE_GATED) {
		sae->r_mag = take_zeros(arena, d_sae);
		sae->b_mag = take_zeros(arena, d_sae);
	}
	return 0;
}

/* The most latents a row's code can list. */
static size_t most_active(const ps_sae *sae)
{
	return sae->arch == PS_SAE_TOPK ? sae->k : sae->d_sae;
}

size_t ps_codes_bytes(const ps_sae *sae, size_t max_rows)
{
	ps_plan plan = {0};
	size_t entries;

	if (!ps_size_mul(max_rows, most_active(sae) * sizeof(float), &entries))
		return SIZE_MAX;
	ps_plan_add(&plan, "starts", (max_rows + 1) * sizeof(size_t));
	ps_plan_add(&plan, "indices", entries);
	ps_plan_add(&plan, "values", entries);
	return plan.total_bytes;
}

int ps_codes_create(ps_codes *codes, const ps_sae *sae, size_t max_rows, ps_arena *arena,
		    ps_diag *diag)
{
	const size_t capacity = max_rows * most_active(sae);
	int code = ps_room_check(arena, ps_codes_bytes(sae, max_rows), "codes", diag);

	if (code < 0)
		return code;
	*codes = (ps_codes){
		.capacity = capacity,
		.start = ps_arena_take(arena, (max_rows + 1) * sizeof(size_t)),
		.index = ps_arena_take(arena, capacity * sizeof(uint32_t)),
		.value = ps_arena_take(arena, capacity * sizeof(float)),
	};
	return 0;
}
