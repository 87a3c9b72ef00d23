/* sae/recipe.h: named sets of training options: ours, the papers', and those of three libraries.
 *
 *   prunescope  ours, for short runs as well as long ones:
 *               rate 2e-4 / sqrt(F / 16384), times sqrt(25000 / steps) but at least 1, at most 7;
 *               beta2 = 1 - 5 / steps, between .95 and .999;
 *               topk and batchtopk with the paper's AuxK, latents dead after 50,000 tokens
 *   paper       Gao et al., arXiv 2406.04093 (topk); Bussmann et al., arXiv 2412.06410 (batchtopk)
 *   saelens     SAELens 6.54: the defaults of its training configurations. There the inputs are
 *               scaled by "expected_average_only_in"
 *   sparsify    sparsify 1.3 with its `adam` (topk)
 *   dictionary_learning
 *               0.1.0: TopKTrainer, BatchTopKTrainer, StandardTrainer, GatedSAETrainer
 * Two things are translated. Where a library counts steps (a warm-up of 1,000), the set has a share
 * of the run. Where a library waits for its first batch, b_dec starts at the sample's mean or
 * median. Not every set has every architecture. */
#ifndef PS_SAE_RECIPE_H
#define PS_SAE_RECIPE_H

#include "sae/train_options.h"

typedef enum ps_recipe {
	PS_RECIPE_PRUNESCOPE,
	PS_RECIPE_PAPER,
	PS_RECIPE_SAELENS,
	PS_RECIPE_SPARSIFY,
	PS_RECIPE_DICTIONARY_LEARNING,
	PS_RECIPE_COUNT
} ps_recipe;

/* The name of each set; NULL at the end. */
extern const char *const ps_recipe_names[PS_RECIPE_COUNT + 1];

/* Fills in all options. arch, d_sae, k, batch, tokens and the seeds must be set and are kept: rates
 * and counts depend on them. PS_EUSAGE when the set does not have the architecture. */
int ps_recipe_apply(ps_recipe recipe, ps_train_options *options, ps_diag *diag) PS_MUST_USE;

#endif
