#include "sae/gated.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/finite.h"

enum { R_MAG, B_MAG };

static ps_sae gated_lister(const ps_trainer *t)
{
	ps_sae lister = t->sae;

	lister.arch = PS_SAE_RELU;
	return lister;
}

/* The encoder lists pi. The gate's branch gets a copy; the main branch's values become f, at the
 * same entries. */
static void gated_activate(ps_trainer *t, const ps_pass *pass)
{
	const ps_codes *main = &t->branch.codes;
	ps_codes *gate = &t->gate.codes;
	const size_t entries = main->start[main->rows];

	gate->rows = main->rows;
	memcpy(gate->start, main->start, (main->rows + 1) * sizeof *gate->start);
	memcpy(gate->index, main->index, entries * sizeof *gate->index);
	memcpy(gate->value, main->value, entries * sizeof *gate->value);
	for (size_t i = 0; i < entries; i++)
		main->value[i] = (float)ps_greater(
			(double)ps_gated_magnitude(&t->sae, main->index[i], main->value[i]), 0);
	ps_branch_backward(&t->gate, t->sae.dec, t->sae.d_in, pass->x, -1, pass->scale);
}

static void gated_latent(ps_trainer *t, const ps_pass *pass, size_t j)
{
	const ps_by_latent *main = &t->branch.lists, *gate = &t->gate.lists;
	const float weight = ps_penalty_unit(pass) * t->norm[j], growth = expf(t->extra[R_MAG][j]);
	double r_mag = 0, b_mag = 0, through_magnitude = 0, through_gate = 0, sum = 0;

	for (size_t i = main->start[j]; i < main->start[j + 1]; i++) {
		const double pi = gate->value[i] / pass->scale;
		const double dm = main->value[i] > 0 ? main->gradient[i] : 0;

		t->fired[j] |= main->value[i] > 0;
		sum += pi;
		b_mag += dm;
		r_mag += dm * growth * (pi - t->sae.b_enc[j]);
		main->gradient[i] = (float)(growth * dm);
		gate->gradient[i] += weight;
		through_magnitude += main->gradient[i];
		through_gate += gate->gradient[i];
	}
	t->extra_gradient[R_MAG][j] += (float)r_mag;
	t->extra_gradient[B_MAG][j] += (float)b_mag;
	t->b_enc_gradient[j] += (float)through_gate;
	t->through_input[j] += (float)(through_magnitude + through_gate);
	t->penalty[j] += sum * t->norm[j];
	if (!t->options.gate_alone && t->norm[j] > 0)
		t->along[j] += (float)(pass->unit * pass->sparsity * sum / t->norm[j]);
}

const ps_arch ps_arch_gated = {
	.extras = 2,
	.extra_names = {[R_MAG] = {"r_mag", "r_mag_m", "r_mag_v"},
			[B_MAG] = {"b_mag", "b_mag_m", "b_mag_v"}},
	.dense = true,
	.gate = true,
	.norms = true,
	.lister = gated_lister,
	.activate = gated_activate,
	.latent = gated_latent,
};
