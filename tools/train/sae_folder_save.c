#include "tools/train/sae_folder_save.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io/artefact.h"
#include "io/file.h"
#include "sae/fold.h"
#include "tools/run/json.h"
#include "tools/train/sae_folder.h"
#include "tools/train/sae_gemma_scope.h"
#include "tools/train/sae_sparsify.h"
#include "tools/train/sae_weights_save.h"

static const struct {
	const char *name, *weights;
	bool has_config;
} forms[PS_SAE_FORMS] = {
	[PS_SAE_FORM_SAELENS] = {"saelens", PS_SAE_WEIGHTS, true},
	[PS_SAE_FORM_SPARSIFY] = {"sparsify", "sae.safetensors", true},
	[PS_SAE_FORM_GEMMA_SCOPE] = {"gemma-scope", "params.npz", false},
};

const char *ps_sae_form_name(ps_sae_form form)
{
	return forms[form].name;
}

ps_sae_form ps_sae_form_of(const char *name)
{
	int form = 0;

	while (form < PS_SAE_FORMS && strcmp(forms[form].name, name) != 0)
		form++;
	return (ps_sae_form)form;
}

/* --- folds --- */

const char *ps_sae_fold_word(unsigned bit)
{
	return bit == PS_FOLDED_B_DEC  ? "b_dec"
	       : bit == PS_FOLDED_NORM ? "decoder norms"
	       : bit == PS_FOLDED_GATE ? "gate"
	       : bit == PS_FOLDED_RELU ? "relu"
				       : "negative thresholds";
}

static int fold_to_topk(ps_sae *sae, const char *path, unsigned *folded, ps_diag *diag)
{
	if (sae->arch != PS_SAE_TOPK)
		return ps_fail(diag, PS_EINPUT,
			       "%s: its architecture is %s; sparsify has topk alone (saelens holds "
			       "all, gemma-scope jumprelu, standard and gated)",
			       path, ps_sae_arch_name(sae->arch));
	if (ps_sae_fold_decoder_norm(sae))
		*folded |= PS_FOLDED_NORM;
	if (ps_sae_fold_b_dec(sae, true))
		*folded |= PS_FOLDED_B_DEC;
	return 0;
}

static int fold_to_jumprelu(ps_sae *sae, ps_arena *arena, const char *path, unsigned *folded,
			    ps_diag *diag)
{
	if (sae->arch == PS_SAE_TOPK)
		return ps_fail(
			diag, PS_EINPUT,
			"%s: its architecture is topk; Gemma Scope has jumprelu alone, which "
			"cannot say how many latents are active (saelens and sparsify can)",
			path);
	if (sae->arch == PS_SAE_RELU &&
	    ps_sae_fold_relu(sae, ps_arena_take(arena, sae->d_sae * sizeof(float))))
		*folded |= PS_FOLDED_RELU;
	if (ps_sae_fold_gate(sae))
		*folded |= PS_FOLDED_GATE;
	if (ps_sae_fold_b_dec(sae, false))
		*folded |= PS_FOLDED_B_DEC;
	if (ps_sae_fold_thresholds(sae))
		*folded |= PS_FOLDED_THRESHOLD;
	return 0;
}

int ps_sae_form_fold(ps_sae_form form, ps_sae *sae, ps_arena *arena, const char *path,
		     unsigned *folded, ps_diag *diag)
{
	int rc = 0;

	*folded = 0;
	if (form == PS_SAE_FORM_SPARSIFY)
		rc = fold_to_topk(sae, path, folded, diag);
	else if (form == PS_SAE_FORM_GEMMA_SCOPE)
		rc = fold_to_jumprelu(sae, arena, path, folded, diag);
	if (!rc && *folded && !ps_sae_is_finite(sae))
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: its parameters are too large to be folded as %s needs it", path,
			     forms[form].name);
	return rc;
}

/* --- files --- */

static int save_firing(const char *path, const uint64_t *firing, size_t d_sae, const json_t *extra,
		       ps_diag *diag)
{
	ps_artefact *artefact;
	int rc = ps_artefact_create(
		&artefact, &ps_sys_linux,
		&(ps_artefact_spec){.path = path,
				    .kind = "sae-training",
				    .extra = extra,
				    .tensors =
					    &(ps_tensor_decl){"firing_count", PS_I64, 1, {d_sae}},
				    .count = 1},
		diag);

	if (rc)
		return rc;
	rc = ps_artefact_write(artefact, firing, d_sae * sizeof *firing, diag);
	if (rc) {
		ps_artefact_abort(artefact);
		return rc;
	}
	return ps_artefact_commit(artefact, diag);
}

static ps_sae_tensors tensors_of(const ps_sae_written *w)
{
	return w->form == PS_SAE_FORM_SPARSIFY      ? ps_sae_sparsify_tensors
	       : w->form == PS_SAE_FORM_GEMMA_SCOPE ? ps_sae_gemma_scope_tensors
						    : ps_sae_saelens_tensors(w->sae->arch);
}

static int save_config(const char *path, const ps_sae_written *w, ps_diag *diag)
{
	json_t *cfg = w->form == PS_SAE_FORM_SPARSIFY ? ps_sae_sparsify_config(w->sae)
						      : ps_sae_config_make(w->sae, w->about);
	int rc = ps_json_check(cfg, diag);

	if (!rc)
		rc = ps_file_replace_json(&ps_sys_linux, path, cfg, diag);
	json_decref(cfg);
	return rc;
}

int ps_sae_folder_save(ps_folder *folder, const ps_sae_written *w, ps_diag *diag)
{
	const char *weights = forms[w->form].weights, *path = ps_folder_path(folder);
	const ps_sae_tensors names = tensors_of(w);
	char file[PATH_MAX];
	json_t *extra = json_pack("{s:O}", "provenance", w->provenance);
	int rc = ps_json_check(extra, diag);

	snprintf(file, sizeof file, "%s/%s", path, weights);
	if (!rc)
		rc = ps_sae_weights_save(file, w->sae, &names, extra, w->why, diag);
	if (!rc)
		rc = ps_folder_note(folder, weights, diag);
	snprintf(file, sizeof file, "%s/" PS_SAE_TRAINING, path);
	if (!rc && w->firing) {
		rc = save_firing(file, w->firing, w->sae->d_sae, extra, diag);
		if (!rc)
			rc = ps_folder_note(folder, PS_SAE_TRAINING, diag);
	}
	snprintf(file, sizeof file, "%s/" PS_SAE_CONFIG, path);
	if (!rc && forms[w->form].has_config) {
		rc = save_config(file, w, diag);
		if (!rc)
			rc = ps_folder_note(folder, PS_SAE_CONFIG, diag);
	}
	json_decref(extra);
	return rc;
}

int ps_sae_folder_extra(const ps_sae_written *w, json_t **extra, ps_diag *diag)
{
	*extra = NULL;
	if (w->form == PS_SAE_FORM_SAELENS)
		return 0;
	*extra = json_pack("{s:s, s:o}", "form", forms[w->form].name, PS_SAE_OWN_CONFIG,
			   ps_sae_config_make(w->sae, w->about));
	return ps_json_check(*extra, diag);
}
