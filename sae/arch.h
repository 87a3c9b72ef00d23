/* sae/arch.h: what the architectures have of their own in a step; sae/step.c does what they share.
 *
 * The encoder lists, per row, the latents that may get a gradient; `activate` turns the listed values into
 * activations f; the branch finds the errors and df; then for each latent by itself `latent` turns df into dz,
 * the gradient of W_enc (x - b_dec), and adds the gradients of the latent's scalars and of its penalty.
 * With u the loss's unit, lambda the penalty's coefficient and n_j = |dec_j|:
 *   topk       listed: the K largest z, then ReLU; f = z
 *   batchtopk  listed: the B K largest z of the batch (sae/batch_topk.h)
 *   relu       listed: z > 0; penalty u lambda sum f_j n_j
 *   jumprelu   sae/jumprelu.h       gated   sae/gated.h
 * A penalty's gradient of n_j reaches the decoder along dec_j: `along` collects its factor. */
#ifndef PS_SAE_ARCH_H
#define PS_SAE_ARCH_H

#include "sae/trainer.h"

/* Names of a parameter and of its moments in a saved state. */
typedef struct ps_extra_names {
	const char *value, *m, *v;
} ps_extra_names;

struct ps_arch {
	int extras; /* parameters of a latent besides its bias: t->extra[0 .. extras) */
	ps_extra_names extra_names[PS_EXTRAS_MAX];
	bool dense; /* a row may list every latent: rows go through a step in chunks */
	bool gate;  /* has the branch t->gate */
	bool norms; /* needs |dec_j| */
	/* What the encoder sees: parameters shared with t->sae, a selection of its own. */
	ps_sae (*lister)(const ps_trainer *t);
	/* Before a step's rows are listed; NULL: nothing. */
	void (*prepare)(ps_trainer *t);
	/* branch.codes hold the listed values of the pass's rows; makes activations of them. */
	void (*activate)(ps_trainer *t, const ps_pass *pass);
	/* Latent j's entries of branch.lists (and gate.lists) are complete. */
	void (*latent)(ps_trainer *t, const ps_pass *pass, size_t j);
};

const ps_arch *ps_arch_of(ps_train_arch arch);

/* Adds a latent's sum of dz to the gradients of its bias and of b_dec's way through the encoder. */
static inline void ps_arch_add_bias(ps_trainer *t, const ps_branch *branch, size_t j)
{
	const float sum = ps_branch_bias_gradient(branch, j);

	t->b_enc_gradient[j] += sum;
	t->through_input[j] += sum;
}

#endif
