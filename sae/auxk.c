#include "sae/auxk.h"

#include <string.h>

#include "core/base/checked.h"

struct ps_auxk {
	const ps_sae *sae;
	ps_auxk_form form;
	ps_sae dead; /* the dead latents' encoder rows, gathered; d_sae and k differ by step */
	size_t k_aux;
	const float *norm; /* (F), or NULL: factors of z in the selection */
	uint32_t *latent;  /* (F): the full SAE's latent, per dead latent */
	ps_encoder *encoder;
	ps_branch branch;
};

static size_t aux_active(const ps_sae *sae)
{
	return ps_min_size(ps_max_size(sae->d_in / 2, 1), sae->d_sae);
}

/* The largest shape that the dead latents can take. */
static ps_sae largest_shape(const ps_sae *sae, const ps_train_options *options)
{
	return (ps_sae){.arch = PS_SAE_TOPK,
			.d_in = sae->d_in,
			.d_sae = sae->d_sae,
			.k = aux_active(sae),
			.signed_values = options->auxk_form == PS_AUXK_SAELENS};
}

ps_auxk *ps_auxk_lay_out(ps_sae_layout *layout, const ps_sae *sae, const ps_train_options *options,
			 size_t rows)
{
	ps_auxk stand_in, *auxk = ps_sae_own(layout, &stand_in, sizeof *auxk);

	*auxk = (ps_auxk){.sae = sae,
			  .form = options->auxk_form,
			  .dead = largest_shape(sae, options),
			  .k_aux = aux_active(sae)};
	auxk->latent = ps_sae_part(layout, sae->d_sae, sizeof *auxk->latent);
	auxk->dead.enc = ps_sae_floats(layout, sae->d_sae, sae->d_in);
	auxk->dead.b_enc = ps_sae_floats(layout, sae->d_sae, 1);
	auxk->encoder = ps_encoder_lay_out(layout, &auxk->dead, rows);
	ps_branch_lay_out(layout, &auxk->branch, &auxk->dead, rows);
	return layout->parts.arena ? auxk : NULL;
}

size_t ps_auxk_gather(ps_auxk *auxk, const uint8_t *dead, const float *norm)
{
	const ps_sae *sae = auxk->sae;
	const size_t d = sae->d_in;
	size_t count = 0;

	auxk->norm = norm;
	for (size_t j = 0; j < sae->d_sae; j++) {
		const float by = norm ? norm[j] : 1;

		if (!dead[j])
			continue;
		for (size_t i = 0; i < d; i++)
			auxk->dead.enc[count * d + i] = by * sae->enc[j * d + i];
		auxk->dead.b_enc[count] = by * sae->b_enc[j];
		auxk->latent[count++] = (uint32_t)j;
	}
	auxk->dead.d_sae = count;
	auxk->dead.k = ps_min_size(auxk->k_aux, count);
	return count;
}

double ps_auxk_weight(const ps_auxk *auxk, double unit, double variance)
{
	switch (auxk->form) {
	case PS_AUXK_PAPER:
		break;
	case PS_AUXK_SAELENS:
	case PS_AUXK_SPARSIFY:
		return unit * (double)auxk->dead.k / (double)auxk->k_aux;
	case PS_AUXK_DICTIONARY:
		return variance > 0 ? 1 / variance : 0;
	}
	return unit;
}

const ps_branch *ps_auxk_backward(ps_auxk *auxk, const float *x, const float *error, size_t rows,
				  float scale)
{
	ps_codes *codes = &auxk->branch.codes;

	ps_encoder_run(auxk->encoder, x, rows, codes);
	for (size_t i = 0; i < codes->start[rows]; i++) {
		codes->index[i] = auxk->latent[codes->index[i]];
		if (auxk->norm)
			codes->value[i] /= auxk->norm[codes->index[i]];
	}
	ps_branch_backward(&auxk->branch, auxk->sae->dec, auxk->sae->d_in, error, 1, scale);
	return &auxk->branch;
}
