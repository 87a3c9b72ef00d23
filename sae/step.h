/* sae/step.h: one training step of one trainer (its parts: sae/trainer.h). */
#ifndef PS_SAE_STEP_H
#define PS_SAE_STEP_H

#include "sae/trainer.h"

/* Takes a step on the rows in t->feed->raw and reports it. PS_EFAILED when the loss is not finite;
 * the parameters are then those of the step before. */
int ps_step_take(ps_trainer *t, ps_train_step *out) PS_MUST_USE;

#endif
