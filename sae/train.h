/* sae/train.h: SAE training with Adam from a row source; a resumed run continues bit for bit.
 *
 *   loss = unit * (sum over the batch of |s x - x_hat|^2 + penalties + auxiliary losses)
 *   unit   1 / (B D), 1 / B or 1 / sum |x - mean x|^2 (ps_loss_unit)
 *   s      input scale, after which the mean norm of a row is sqrt(D). ps_trainer_export folds it
 *          into the weights, so that the saved SAE takes raw x
 * A penalty is relative to |s x - x_hat|^2, as SAELens' are (sae/arch.h).
 * Architectures: topk (Gao et al., arXiv 2406.04093), batchtopk (Bussmann et al., 2412.06410),
 * jumprelu (Rajamanoharan et al., 2407.14435), relu (L1 weighted by decoder norms) and gated
 * (Rajamanoharan et al., 2404.16014).
 * Start: decoder rows are seeded random directions, the encoder is a multiple of them, b_dec is 0
 * or the mean or the geometric median of s x (sae/start.h).
 * Decoder or encoder may be frozen: it keeps its start, and has no gradient (ps_train_frozen).
 * Adam moves every other parameter at every step, also where the gradient is 0, as dense Adam does.
 * Batches: each epoch visits every kept row once, in a seeded permutation or in file order. Asking
 * for more tokens than rows adds epochs.
 * The bits of an SAE do not depend on the number of threads or on the SAEs trained beside it.
 *
 * How to use it: ps_train_options_check, ps_trainers_bytes, ps_trainers_create; to resume, fill the
 * arrays of ps_trainer_state and call ps_trainer_resume; ps_trainers_step until all steps are done;
 * ps_trainer_export. */
#ifndef PS_SAE_TRAIN_H
#define PS_SAE_TRAIN_H

#include "sae/train_options.h"
#include "sae/trainer_export.h"
#include "sae/trainer_state.h"
#include "sae/trainers.h"

#endif
