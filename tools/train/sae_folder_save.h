/* tools/train/sae_folder_save.h: writes an SAE's folder, in our own form, which is SAELens', or in
 * that of another tool.
 *
 *   form          files of the tool                                 what it can hold
 *   saelens       sae_weights.safetensors, cfg.json                 everything
 *   sparsify      sae.safetensors, cfg.json                         topk that subtracts b_dec
 *   gemma-scope   params.npz                                        jumprelu that does not
 * Every folder also has training.safetensors, if it is known how often latents fired, and our
 * manifest.json. In the manifest of another tool's form, `saelens_cfg` is the cfg.json that SAELens
 * would have: it says model, hook and mask, for which the tool has no key. So such a folder is
 * verified, and says as much as one of ours (sae_folder.h). */
#ifndef PS_TOOLS_TRAIN_SAE_FOLDER_SAVE_H
#define PS_TOOLS_TRAIN_SAE_FOLDER_SAVE_H

#include "core/base/arena.h"
#include "io/folder.h"
#include "tools/train/sae_config.h"

typedef enum ps_sae_form {
	PS_SAE_FORM_SAELENS,
	PS_SAE_FORM_SPARSIFY,
	PS_SAE_FORM_GEMMA_SCOPE,
	PS_SAE_FORMS
} ps_sae_form;

/* "saelens", "sparsify", "gemma-scope" */
const char *ps_sae_form_name(ps_sae_form form);
/* The form of that name; PS_SAE_FORMS: there is none. */
ps_sae_form ps_sae_form_of(const char *name);

/* What was folded so that a form can hold an SAE. A bit each; ps_sae_fold_word names them. */
enum { PS_FOLDED_B_DEC = 1, PS_FOLDED_NORM = 2, PS_FOLDED_GATE = 4, PS_FOLDED_RELU = 8 };
enum { PS_FOLDED_THRESHOLD = 16, PS_FOLDED_ALL = 31 };
/* "b_dec", "decoder norms", "gate", "relu", "negative thresholds" */
const char *ps_sae_fold_word(unsigned bit);

/* Changes an SAE so that the form can hold it (sae/fold.h). arena: has room for its thresholds.
 * *folded: which folds that took. PS_EINPUT naming path and architecture: no fold makes it one of
 * the form's; or a fold overflows. */
int ps_sae_form_fold(ps_sae_form form, ps_sae *sae, ps_arena *arena, const char *path,
		     unsigned *folded, ps_diag *diag) PS_MUST_USE;

/* An SAE that is written. */
typedef struct ps_sae_written {
	ps_sae_form form;
	const ps_sae *sae; /* one that the form can hold */
	const ps_sae_about *about;
	const uint64_t *firing; /* (F) as in ps_sae_folder; NULL: not known */
	const json_t *provenance;
	const char *why; /* what a parameter that is not finite comes from */
} ps_sae_written;

/* Writes the files, each atomically, to the open folder, and notes them in its manifest. */
int ps_sae_folder_save(ps_folder *folder, const ps_sae_written *written, ps_diag *diag) PS_MUST_USE;
/* *extra: what ps_folder_finish adds to the manifest of such a folder, owned by the caller. NULL:
 * nothing. PS_EBUDGET. */
int ps_sae_folder_extra(const ps_sae_written *written, json_t **extra, ps_diag *diag) PS_MUST_USE;

#endif
