#include "tools/train/sae_gemma_scope.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "tools/train/hook.h"
#include "tools/train/sae_fields.h"
#include "tools/train/sae_file.h"
#include "tools/train/sae_place.h"

static const char *const keys[] = {"affine_connection",
				   "apply_b_dec_to_input",
				   "architecture",
				   "hf_hook_point_in",
				   "hf_hook_point_out",
				   "l0",
				   "model_name",
				   "type",
				   "width",
				   NULL};

const ps_sae_tensors ps_sae_gemma_scope_tensors = {.enc = "W_enc",
						   .dec = "W_dec",
						   .b_dec = "b_dec",
						   .b_enc = "b_enc",
						   .threshold = "threshold",
						   .dec_by_latent = true,
						   .scaling = true,
						   .said_by = "Gemma Scope's layout"};

/* --- the weights' shapes --- */

static int read_file(const char *path, ps_sae_config *config, ps_diag *diag)
{
	ps_sae_tensors *t = &config->tensors;
	const uint64_t any[2] = {0, 0};
	const ps_tensor_info *enc;
	ps_sae_file file;
	int rc = ps_sae_file_open(&file, path, diag);

	if (rc)
		return rc;
	if (ps_sae_file_find(&file, "w_enc"))
		t->enc = "w_enc";
	if (ps_sae_file_find(&file, "w_dec"))
		t->dec = "w_dec";
	if (ps_sae_file_find(&file, "affine_skip_connection"))
		rc = ps_fail(diag, PS_EINPUT,
			     "%s: tensor affine_skip_connection: an affine skip connection is not "
			     "supported",
			     path);
	if (!rc)
		rc = ps_sae_file_expect(&file, t->enc, 2, any, &enc, diag);
	if (!rc && (enc->shape[0] > INT32_MAX || enc->shape[1] > INT32_MAX))
		rc = ps_fail(diag, PS_EINPUT, "%s: tensor %s is too large", path, t->enc);
	if (!rc) {
		config->shape.d_in = (size_t)enc->shape[0];
		config->shape.d_sae = (size_t)enc->shape[1];
	}
	ps_sae_file_close(&file);
	return rc;
}

static int read_weights(const char *folder, const char *name, ps_sae_config *config, ps_diag *diag)
{
	char path[PATH_MAX];

	*config = (ps_sae_config){
		.shape = {.arch = PS_SAE_JUMPRELU},
		.dtype = PS_F32,
		.tensors = ps_sae_gemma_scope_tensors,
		.positive_thresholds = true,
	};
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return read_file(path, config, diag);
}

/* --- the path --- */

/* What no file has said yet. */
static int take_place(const char *folder, const ps_sae_place *place, ps_sae_about *about,
		      ps_diag *diag)
{
	if (place->site == PS_SITE_EMBEDDING)
		return ps_fail(diag, PS_EINPUT,
			       "%s: an SAE of the embedding, by its path: not supported", folder);
	if (place->site == PS_SITE_TRANSCODER)
		return ps_fail(diag, PS_EINPUT,
			       "%s: a transcoder, by its path: not supported, because it predicts "
			       "other activations than it reads",
			       folder);
	if (!*about->hook_name) {
		ps_sae_place_hook(place, about->hook_name, sizeof about->hook_name);
		about->hook_from_path = *about->hook_name;
	}
	if (!*about->model_name) {
		snprintf(about->model_name, sizeof about->model_name, "%s", place->model);
		about->model_from_path = *about->model_name;
	}
	return 0;
}

int ps_sae_gemma_scope_read(const char *folder, ps_sae_config *config, uint64_t *digest,
			    ps_diag *diag)
{
	ps_sae_place place;
	int rc = read_weights(folder, "params.npz", config, diag);

	*digest = 0;
	if (!rc)
		rc = ps_sae_place_of(folder, &place, diag);
	return rc ? rc : take_place(folder, &place, &config->about, diag);
}

/* --- config.json of Gemma Scope 2 --- */

/* A key that may have one value only. */
static int read_word(const ps_sae_fields *f, const char *key, const char *word)
{
	char name[32];
	int rc;

	snprintf(name, sizeof name, "%s", word);
	rc = ps_sae_field_text(f, key, name, sizeof name);
	if (!rc && strcmp(name, word) != 0) {
		char right[64];

		snprintf(right, sizeof right, "not supported (\"%s\" is)", word);
		rc = ps_sae_field_refuse(f, key, json_object_get(f->object, key), right);
	}
	return rc;
}

static int read_kind(const ps_sae_fields *f, ps_sae_config *config)
{
	double unused;
	size_t width = config->shape.d_sae;
	int rc = read_word(f, "architecture", "jump_relu");

	if (!rc)
		rc = read_word(f, "type", "sae");
	if (!rc)
		rc = ps_sae_field_must_not(f, "affine_connection",
					   "an affine skip connection is not supported");
	if (!rc)
		rc = ps_sae_field_flag(f, "apply_b_dec_to_input", false,
				       &config->shape.apply_b_dec_to_input);
	if (!rc)
		rc = ps_sae_field_number(f, "l0", 0, &unused);
	if (!rc && json_object_get(f->object, "width"))
		rc = ps_sae_field_count(f, "width", &width);
	if (!rc && width != config->shape.d_sae)
		rc = ps_fail(f->diag, PS_EINPUT, "%s: width is %zu, tensor %s has %zu latents",
			     f->path, width, config->tensors.enc, config->shape.d_sae);
	return rc;
}

/* The names before the release were gemma-v3-1b; the hub has google/gemma-3-1b. */
static void name_model(const char *name, ps_sae_about *about)
{
	const char *version = strstr(name, "-v3"),
		   *suffix = strstr(name, "270m") ? strstr(name, "-pt") : NULL;
	const int length = (int)((suffix ? suffix : name + strlen(name)) - name),
		  before = version ? (int)(version - name) : length;

	snprintf(about->model_name, sizeof about->model_name, "%s%.*s%s%.*s",
		 strstr(name, "google") ? "" : "google/", before, name, version ? "-3" : "",
		 version ? length - before - 3 : 0, version ? version + 3 : "");
}

static int read_origin(const ps_sae_fields *f, const ps_sae_place *place, ps_sae_about *about)
{
	char model[256] = "", out[sizeof about->hook_name] = "";
	int rc =
		ps_sae_field_text(f, "hf_hook_point_in", about->hook_name, sizeof about->hook_name);

	if (!rc)
		rc = ps_sae_field_text(f, "hf_hook_point_out", out, sizeof out);
	if (!rc)
		rc = ps_sae_field_text(f, "model_name", model, sizeof model);
	if (rc)
		return rc;
	if (*out && strcmp(out, about->hook_name) != 0)
		return ps_sae_field_refuse(f, "hf_hook_point_out",
					   json_object_get(f->object, "hf_hook_point_out"),
					   "another place than hf_hook_point_in: a transcoder, "
					   "which is not supported");
	if (*about->hook_name && place->layer >= 0 &&
	    ps_hook_block(about->hook_name) != place->layer)
		return ps_fail(f->diag, PS_EINPUT,
			       "%s: hf_hook_point_in is %s, but the folder's name says layer %d",
			       f->path, about->hook_name, place->layer);
	if (*model)
		name_model(model, about);
	return 0;
}

int ps_sae_gemma_scope_2_read(const char *folder, ps_sae_config *config, uint64_t *digest,
			      ps_diag *diag)
{
	char path[PATH_MAX];
	ps_sae_fields f = {.path = path, .diag = diag};
	ps_sae_place place;
	json_t *cfg = NULL;
	int rc = read_weights(folder, "params.safetensors", config, diag);

	*digest = 0;
	if (!rc)
		rc = ps_sae_place_of(folder, &place, diag);
	snprintf(path, sizeof path, "%s/config.json", folder);
	if (rc)
		return rc;
	if (!ps_file_is_there(path))
		return take_place(folder, &place, &config->about, diag);
	rc = ps_sae_fields_read(path, &cfg, digest, diag);
	f.object = cfg;
	if (!rc)
		rc = ps_sae_fields_known(&f, keys, "Gemma Scope 2");
	if (!rc)
		rc = read_kind(&f, config);
	if (!rc)
		rc = read_origin(&f, &place, &config->about);
	json_decref(cfg);
	return rc ? rc : take_place(folder, &place, &config->about, diag);
}
