/* sae/trainer_export.h: the SAE that a trainer has trained, as it is saved and used.
 *
 * In training, rows are scaled by s and decoder rows may have any norm. The exported SAE takes raw
 * rows. Its decoder rows have norm 1 and its activations carry the norms, except where unit rows
 * would change which latents topk selects. */
#ifndef PS_SAE_TRAINER_EXPORT_H
#define PS_SAE_TRAINER_EXPORT_H

#include "sae/sae.h"
#include "sae/trainers.h"

/* The architecture that the trained SAE is saved as. batchtopk becomes jumprelu with one threshold
 * for all latents, the running mean that it has learned. */
ps_sae_arch ps_train_saved_arch(ps_train_arch arch);

/* Writes the trained SAE into out, which the caller has created with ps_train_saved_arch and with
 * the trainer's shape and k. */
void ps_trainer_export(const ps_trainer *trainer, ps_sae *out);

#endif
