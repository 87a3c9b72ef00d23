#include "sae/sae.h"

#include "core/base/checked.h"

static bool shape_fits(size_t d_in, size_t d_sae)
{
	size_t bytes;

	return d_in && d_sae && d_sae <= UINT32_MAX && ps_size_mul(d_in, d_sae, &bytes) &&
	       ps_size_mul(bytes, 4 * sizeof(float), &bytes);
}

static float *zeros(ps_sae_layout *layout, size_t count)
{
	return ps_sae_zeros(layout, count, sizeof(float));
}

void ps_sae_lay_out(ps_sae_layout *layout, ps_sae *sae)
{
	const size_t f = sae->d_sae, d = sae->d_in;

	sae->enc = zeros(layout, f * d);
	sae->dec = zeros(layout, f * d);
	sae->b_enc = zeros(layout, f);
	sae->b_dec = zeros(layout, d);
	if (sae->arch == PS_SAE_JUMPRELU)
		sae->threshold = zeros(layout, f);
	if (sae->arch == PS_SAE_GATED) {
		sae->r_mag = zeros(layout, f);
		sae->b_mag = zeros(layout, f);
	}
}

size_t ps_sae_bytes(size_t d_in, size_t d_sae)
{
	/* Gated has the most parameters. */
	ps_sae largest = {.arch = PS_SAE_GATED, .d_in = d_in, .d_sae = d_sae};
	ps_sae_layout layout = ps_sae_layout_count(0);

	if (!shape_fits(d_in, d_sae))
		return SIZE_MAX;
	ps_sae_lay_out(&layout, &largest);
	return layout.parts.bytes;
}

int ps_sae_create(ps_sae *sae, ps_sae_arch arch, size_t d_in, size_t d_sae, size_t k,
		  ps_arena *arena, ps_diag *diag)
{
	const ps_context context = {.diag = diag};
	ps_sae_layout layout = ps_sae_layout_in(arena, &context);
	int rc;

	if (!shape_fits(d_in, d_sae))
		return ps_fail(diag, PS_EINPUT,
			       "an SAE of %zu inputs and %zu latents is not possible", d_in, d_sae);
	if (arch == PS_SAE_TOPK && (!k || k > d_sae))
		return ps_fail(diag, PS_EINPUT,
			       "k is %zu, it must lie between 1 and the number of latents, %zu", k,
			       d_sae);
	rc = ps_sae_layout_room(&layout, ps_sae_bytes(d_in, d_sae), "an SAE");
	if (rc)
		return rc;
	*sae = (ps_sae){
		.arch = arch, .d_in = d_in, .d_sae = d_sae, .k = k, .apply_b_dec_to_input = true};
	ps_sae_lay_out(&layout, sae);
	return 0;
}

/* --- codes --- */

void ps_codes_lay_out(ps_sae_layout *layout, ps_codes *codes, const ps_sae *sae, size_t max_rows)
{
	size_t capacity = SIZE_MAX;

	(void)ps_size_mul(max_rows, ps_sae_active_max(sae), &capacity);
	*codes = (ps_codes){
		.capacity = capacity,
		.start = ps_sae_part(layout, max_rows + 1, sizeof(size_t)),
		.index = ps_sae_part(layout, capacity, sizeof(uint32_t)),
		.value = ps_sae_part(layout, capacity, sizeof(float)),
	};
}

size_t ps_codes_bytes(const ps_sae *sae, size_t max_rows)
{
	ps_sae_layout layout = ps_sae_layout_count(0);
	ps_codes codes;

	ps_codes_lay_out(&layout, &codes, sae, max_rows);
	return layout.parts.bytes;
}

int ps_codes_create(ps_codes *codes, const ps_sae *sae, size_t max_rows, ps_arena *arena,
		    ps_diag *diag)
{
	const ps_context context = {.diag = diag};
	ps_sae_layout layout = ps_sae_layout_in(arena, &context);
	int rc = ps_sae_layout_room(&layout, ps_codes_bytes(sae, max_rows), "codes");

	if (!rc)
		ps_codes_lay_out(&layout, codes, sae, max_rows);
	return rc;
}
