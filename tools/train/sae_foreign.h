/* tools/train/sae_foreign.h: recognises the SAE formats that are not read yet, so that a message
 * can name them.
 *
 * Sparsify, Gemma Scope, Llama Scope and dictionary_learning, by the files that they write; a
 * folder whose subfolders are SAEs; a model, an activation cache, a single file. */
#ifndef PS_TOOLS_TRAIN_SAE_FOREIGN_H
#define PS_TOOLS_TRAIN_SAE_FOREIGN_H

#include "core/base/error.h"

/* PS_EINPUT, naming what lies at path, if that is one of the above and not a folder in SAELens'
 * form. 0 for such a folder, and for what is not recognised. */
int ps_sae_foreign_check(const char *path, ps_diag *diag) PS_MUST_USE;

#endif
