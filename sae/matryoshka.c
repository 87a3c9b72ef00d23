#include "sae/matryoshka.h"

#include <string.h>

ps_matryoshka *ps_matryoshka_lay_out(ps_sae_layout *layout, const ps_sae *listed,
				     const ps_train_options *options, size_t rows)
{
	ps_matryoshka stand_in, *m = ps_sae_own(layout, &stand_in, sizeof *m);

	*m = (ps_matryoshka){.levels = options->matryoshka_levels};
	memcpy(m->width, options->matryoshka_width, sizeof m->width);
	for (size_t l = 0; l < m->levels; l++)
		ps_branch_lay_out(layout, &m->branch[l], listed, rows);
	return layout->parts.arena ? m : NULL;
}

/* Copies the entries of latents below width. They are the first ones of every row. */
static void take_below(const ps_codes *codes, size_t width, ps_codes *out)
{
	size_t count = 0;

	out->rows = codes->rows;
	for (size_t r = 0; r < codes->rows; r++) {
		out->start[r] = count;
		for (size_t i = codes->start[r]; i < codes->start[r + 1] && codes->index[i] < width;
		     i++) {
			out->index[count] = codes->index[i];
			out->value[count++] = codes->value[i];
		}
	}
	out->start[codes->rows] = count;
}

double ps_matryoshka_backward(ps_matryoshka *m, const ps_codes *codes, const ps_sae *sae,
			      const float *x, float scale)
{
	double loss = 0;

	for (size_t l = 0; l < m->levels; l++) {
		take_below(codes, m->width[l], &m->branch[l].codes);
		ps_branch_backward(&m->branch[l], sae->dec, sae->d_in, x, -1, scale);
		loss += ps_branch_loss(&m->branch[l]);
	}
	return loss;
}
