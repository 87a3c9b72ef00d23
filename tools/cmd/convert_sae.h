/* tools/cmd/convert_sae.h: `convert` between the forms of SAEs (tools/train/sae_folder_save.h).
 *
 * Read is every form that the other commands read. What a form cannot say is folded into the
 * weights (sae/fold.h), so that the latents and the reconstruction stay the same but for rounding;
 * the result lists it. An SAE that no fold makes one of the form is PS_EINPUT.
 * The manifest of the output says model, hook and mask, as far as they are known, and the
 * provenance of the input under `source`. */
#ifndef PS_TOOLS_CMD_CONVERT_SAE_H
#define PS_TOOLS_CMD_CONVERT_SAE_H

#include "tools/cmd/commands.h"
#include "tools/train/sae_folder_save.h"

/* Writes the folder args->out. result also has: architecture, d_in, d_sae, folded (words of
 * ps_sae_fold_word, and "row factor"). */
int ps_convert_sae(ps_session *session, const ps_convert_args *args, ps_sae_form form,
		   json_t **result) PS_MUST_USE;

#endif
