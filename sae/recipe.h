/* sae/recipe.h: named sets of training options: ours, the paper's, and those of three libraries.
 *
 *   prunescope           ours; for short runs as well as long ones: rate 2e-4 / sqrt(F / 16384) sqrt(25000 / steps), at
 *                        least the first factor alone and at most ten times it; beta2 = 1 - 5 / steps, .95 to .999;
 *                        topk and batchtopk with the paper's AuxK, latents dead after 50,000 tokens
 *   paper                Gao et al., arXiv 2406.04093 (topk); Bussmann et al., arXiv 2412.06410 (batchtopk)
 *   saelens              SAELens 6.54: its training configs' defaults; inputs scaled ("expected_average_only_in")
 *   sparsify             sparsify 1.3 with its `adam` (topk)
 *   dictionary_learning  0.1.0: TopKTrainer, BatchTopKTrainer, StandardTrainer, GatedSAETrainer
 * Where a library counts steps (warm-up of 1,000), the share of the run takes their place, and b_dec starts at the
 * sample's mean, or median, where a library waits for its first batch. Not every set has every architecture. */
#ifndef PS_SAE_RECIPE_H
#define PS_SAE_RECIPE_H

#include "sae/train.h"

typedef enum ps_recipe {
	PS_RECIPE_PRUNESCOPE,
	PS_RECIPE_PAPER,
	PS_RECIPE_SAELENS,
	PS_RECIPE_SPARSIFY,
	PS_RECIPE_DICTIONARY_LEARNING,
	PS_RECIPE_COUNT
} ps_recipe;

const char *ps_recipe_name(ps_recipe recipe);
/* PS_RECIPE_COUNT when no set has that name. */
ps_recipe ps_recipe_parse(const char *name);

/* Fills in all options but arch, d_sae, k, batch, tokens and seeds, which must be set: rates and counts depend on
 * them. PS_EUSAGE when the set does not have the architecture. */
int ps_recipe_apply(ps_recipe recipe, ps_train_options *options, ps_diag *diag) PS_MUST_USE;

#endif
