/* tools/cmd/prune_match.h: `prune --match-ppl`: the sparsity at which a method has the perplexity
 * of a reference, a mask or a rounding file.
 *
 * nll is the mean loss of a token id of the text (ppl_score.h). The search bisects [0, 1):
 *
 *   1. nll of the reference and of the dense model. The dense one within the tolerance: sparsity 0.
 *      Above it: no sparsity is looked for, PS_EFAILED (nearest: sparsity 0).
 *   2. The middle of the interval is tried. Within the tolerance: its mask is written. Else that
 *      half is kept at whose lower end nll is below the reference's, and at whose upper end above.
 *   3. After PS_MATCH_TRIES sparsities without success: PS_EFAILED, which names the nearest
 *      (nearest: its mask is written).
 *
 * nll need not rise with the sparsity. The two ends are on the two sides of the reference all the
 * same, so the interval holds a sparsity where nll crosses it. If it crosses several times, one of
 * them is found. A loss that is not finite counts as above. The mask has the bits of `prune
 * --sparsity` with the sparsity found.
 *
 * Result, and "match" in the mask's metadata: sparsity, matched (within the tolerance), nll,
 * reference_nll, dense_nll (nats a token), evaluations (of a perplexity, reference and dense model
 * included), tokens. */
#ifndef PS_TOOLS_CMD_PRUNE_MATCH_H
#define PS_TOOLS_CMD_PRUNE_MATCH_H

#include "tools/cmd/prune_run.h"

#define PS_MATCH_TRIES 20 /* sparsities, at most */

/* Finds the sparsity and writes its mask to the output, or does what --dry-run does. The inputs are
 * open, and the engine is not started. *result: a new object, which lacks the keys of every mask;
 * *totals then gives them. */
int ps_prune_match(ps_prune_inputs *in, const ps_prune_plan *plan, const ps_prune_args *args,
		   const ps_output *output, ps_edit_totals *totals, json_t **result) PS_MUST_USE;

#endif
