/* sae/arch.h: what each architecture does in its own way in a step. sae/step.c does the rest.
 *
 * For the rows of a pass:
 *   1. the encoder lists, per row, the latents that may get a gradient;
 *   2. `activate` turns the listed values into activations f;
 *   3. the branch computes the errors and df (sae/branch.h);
 *   4. `latent` runs once per latent. It turns df into dz, the gradient of W_enc (x - b_dec), and
 *      adds the gradients of the latent's scalars and of its penalty.
 * With u the loss's unit, lambda the penalty's coefficient and n_j = |dec_j|:
 *   topk       lists the K largest z, then applies a ReLU; f = z
 *   batchtopk  lists the B K largest z of the batch (sae/batch_topk.h)
 *   relu       lists every z > 0; penalty u lambda sum f_j n_j
 *   jumprelu   sae/jumprelu.h
 *   gated      sae/gated.h
 * The gradient of a penalty on n_j points along dec_j. Its factor goes to the trainer's `along`. */
#ifndef PS_SAE_ARCH_H
#define PS_SAE_ARCH_H

#include "sae/trainer.h"

/* Names of a parameter and of its two moments in a saved state. */
typedef struct ps_extra_names {
	const char *value, *m, *v;
} ps_extra_names;

struct ps_arch {
	int extras; /* parameters of a latent besides its bias: t->extra[0 .. extras) */
	ps_extra_names extra_names[PS_EXTRAS_MAX];
	bool dense; /* a row may list every latent: rows go through a step in passes */
	bool gate;  /* has the branch t->gate */
	bool norms; /* needs |dec_j| */
	/* Returns what the encoder sees: t->sae's parameters, a selection of its own. */
	ps_sae (*lister)(const ps_trainer *t);
	/* Runs before a step's rows are listed. NULL: nothing to do. */
	void (*prepare)(ps_trainer *t);
	/* Turns the listed values of the pass's rows, in branch.codes, into activations. */
	void (*activate)(ps_trainer *t, const ps_pass *pass);
	/* Runs when latent j's entries of branch.lists, and of gate.lists, are complete. */
	void (*latent)(ps_trainer *t, const ps_pass *pass, size_t j);
};

/* The architecture's table, which is static. */
const ps_arch *ps_arch_of(ps_train_arch arch);

/* Adds latent j's sum of dz in a branch to the gradient of its bias, and to the gradient that b_dec
 * gets through the encoder. */
static inline void ps_arch_add_bias(ps_trainer *t, const ps_branch *branch, size_t j)
{
	const float sum = ps_branch_bias_gradient(branch, j);

	t->b_enc_gradient[j] += sum;
	t->through_input[j] += sum;
}

#endif
