#include "tools/train/sae_llama_scope.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/file.h"
#include "io/recognize.h"
#include "tools/train/sae_fields.h"
#include "tools/train/sae_place.h"

/* The fields of SAEConfig in Language-Model-SAEs before 2025. Those that no function below reads
 * say how the SAE was initialised, trained or run. */
static const char *const keys[] = {"act_fn",
				   "apply_decoder_bias_to_pre_encoder",
				   "bias_init_method",
				   "d_model",
				   "d_sae",
				   "dataset_average_activation_norm",
				   "ddp_size",
				   "decoder_bias_init_method",
				   "decoder_exactly_fixed_norm",
				   "decoder_exactly_unit_norm",
				   "device",
				   "dtype",
				   "expansion_factor",
				   "hook_point_in",
				   "hook_point_out",
				   "init_decoder_norm",
				   "init_encoder_norm",
				   "init_encoder_with_decoder_transpose",
				   "initial_k",
				   "jump_relu_threshold",
				   "k_warmup_steps",
				   "l1_coefficient",
				   "l1_coefficient_warmup_steps",
				   "lp",
				   "norm_activation",
				   "sae_from_pretrained_path",
				   "sae_pretrained_name_or_path",
				   "sae_type",
				   "seed",
				   "sparsity_include_decoder_norm",
				   "strict_loading",
				   "top_k",
				   "tp_size",
				   "use_batch_norm_mse",
				   "use_decoder_bias",
				   "use_ghost_grads",
				   "use_glu_encoder",
				   NULL};

static const json_t *get(const ps_sae_fields *f, const char *key)
{
	return json_object_get(f->object, key);
}

static int read_shape(const ps_sae_fields *f, ps_sae *shape)
{
	const json_t *d_sae = get(f, "d_sae");
	size_t expansion = 0;
	int rc = ps_sae_field_count(f, "d_model", &shape->d_in);

	if (!rc && (!d_sae || json_is_null(d_sae))) {
		rc = ps_sae_field_count(f, "expansion_factor", &expansion);
		shape->d_sae = shape->d_in * expansion;
	} else if (!rc) {
		rc = ps_sae_value_count(f, "d_sae", d_sae, &shape->d_sae);
	}
	if (!rc && shape->d_sae > INT32_MAX)
		rc = ps_fail(f->diag, PS_EINPUT, "%s: %zu latents are more than can be read",
			     f->path, shape->d_sae);
	return rc;
}

/* --- the norm --- */

/* The mean norm of the rows that were read ("in") or predicted ("out"). */
static int read_norm(const ps_sae_fields *f, const json_t *norms, const char *key, double *out)
{
	const json_t *value = json_object_get(norms, key);

	*out = json_number_value(value);
	if (!json_is_number(value) || !isfinite(*out) || *out <= 0)
		return ps_sae_field_refuse(f, "dataset_average_activation_norm", norms,
					   "it must be {\"in\": a number above 0, \"out\": the "
					   "same}");
	return 0;
}

static int read_norms(const ps_sae_fields *f, ps_sae_config *config)
{
	static const char key[] = "dataset_average_activation_norm";
	const json_t *norms = get(f, key);
	double in, out;
	int rc = read_norm(f, norms, "in", &in);

	if (!rc && json_object_get(norms, "out")) {
		rc = read_norm(f, norms, "out", &out);
		if (!rc && (in < out || in > out))
			rc = ps_sae_field_refuse(f, key, norms,
						 "in and out differ: a transcoder, which is not "
						 "supported");
	}
	config->scaled_rows = true;
	config->row_factor = sqrt((double)config->shape.d_in) / in;
	return rc;
}

static int read_normalization(const ps_sae_fields *f, ps_sae_config *config)
{
	char name[32] = "";
	const json_t *norms = get(f, "dataset_average_activation_norm");
	int rc = ps_sae_field_text(f, "norm_activation", name, sizeof name);

	if (rc)
		return rc;
	if (!strcmp(name, "dataset-wise") || (!*name && norms && !json_is_null(norms)))
		return read_norms(f, config);
	if (!strcmp(name, "none"))
		return 0;
	if (!*name)
		return ps_fail(f->diag, PS_EINPUT,
			       "%s: norm_activation and dataset_average_activation_norm are "
			       "missing",
			       f->path);
	return ps_sae_field_refuse(f, "norm_activation", get(f, "norm_activation"),
				   "not supported (\"dataset-wise\" and \"none\" are)");
}

/* --- the activation function --- */

static int read_topk(const ps_sae_fields *f, ps_sae *shape)
{
	int rc = ps_sae_field_count(f, "top_k", &shape->k);

	shape->arch = PS_SAE_TOPK;
	if (!rc)
		rc = ps_sae_field_flag(f, "sparsity_include_decoder_norm", true,
				       &shape->rescale_by_decoder_norm);
	if (!rc && shape->k > shape->d_sae)
		rc = ps_fail(f->diag, PS_EINPUT, "%s: top_k is %zu with %zu latents", f->path,
			     shape->k, shape->d_sae);
	return rc;
}

static int read_activation(const ps_sae_fields *f, ps_sae_config *config)
{
	static const char key[] = "jump_relu_threshold";
	const double scale = config->scaled_rows ? config->row_factor : 1;
	char name[16] = "jumprelu";
	double threshold;
	bool unused;
	int rc = ps_sae_field_text(f, "act_fn", name, sizeof name);

	if (!rc)
		rc = ps_sae_field_number(f, key, 0, &threshold);
	if (!rc)
		rc = ps_sae_field_flag(f, "sparsity_include_decoder_norm", true, &unused);
	if (rc)
		return rc;
	if (threshold < 0 || !isfinite((float)(threshold * scale)))
		return ps_sae_field_refuse(f, key, get(f, key),
					   "it must not be negative, nor too large for an f32");
	if (!strcmp(name, "topk") && !(threshold > 0))
		return read_topk(f, &config->shape);
	if (!strcmp(name, "relu") && threshold > 0)
		return ps_sae_field_refuse(f, key, get(f, key), "act_fn is relu, which has none");
	if (strcmp(name, "jumprelu") != 0 && strcmp(name, "topk") != 0 && strcmp(name, "relu") != 0)
		return ps_sae_field_refuse(f, "act_fn", get(f, "act_fn"),
					   "not supported (\"jumprelu\", \"topk\" and \"relu\" "
					   "are)");
	if (!strcmp(name, "jumprelu") && !get(f, key))
		return ps_fail(f->diag, PS_EINPUT, "%s: %s is missing", f->path, key);
	config->shape.arch = PS_SAE_JUMPRELU;
	config->threshold = (float)(threshold * scale);
	return 0;
}

/* --- the rest --- */

static int read_flags(const ps_sae_fields *f, ps_sae_config *config)
{
	bool bias;
	char type[16] = "sae";
	int rc = ps_sae_field_must_not(f, "use_glu_encoder", "not supported: a gated encoder");

	if (!rc)
		rc = ps_sae_field_flag(f, "use_decoder_bias", true, &bias);
	if (!rc)
		rc = ps_sae_field_flag(f, "apply_decoder_bias_to_pre_encoder", false,
				       &config->shape.apply_b_dec_to_input);
	if (!rc)
		rc = ps_sae_field_text(f, "sae_type", type, sizeof type);
	if (!rc && strcmp(type, "sae") != 0)
		rc = ps_sae_field_refuse(f, "sae_type", get(f, "sae_type"),
					 "not supported (\"sae\" is)");
	if (!rc && !bias)
		config->tensors.b_dec = NULL;
	return rc;
}

static int read_place(const ps_sae_fields *f, const char *folder, ps_sae_about *about)
{
	char out[sizeof about->hook_name] = "";
	ps_sae_place place;
	int rc = ps_sae_field_text(f, "hook_point_in", about->hook_name, sizeof about->hook_name);

	if (!rc)
		rc = ps_sae_field_text(f, "hook_point_out", out, sizeof out);
	if (!rc && *out && strcmp(out, about->hook_name) != 0)
		rc = ps_sae_field_refuse(f, "hook_point_out", get(f, "hook_point_out"),
					 "another hook than hook_point_in: a transcoder, which is "
					 "not supported");
	if (!rc)
		rc = ps_sae_place_of(folder, &place, f->diag);
	if (rc || !*place.model)
		return rc;
	snprintf(about->model_name, sizeof about->model_name, "%s", place.model);
	about->model_from_path = true;
	return 0;
}

/* In place of the safetensors file there may be a pickle. */
static int check_weights(const char *folder, ps_diag *diag)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/checkpoints/final.safetensors", folder);
	if (ps_file_is_there(path))
		return 0;
	snprintf(path, sizeof path, "%s/checkpoints", folder);
	return ps_recognize_sae(path, diag);
}

int ps_sae_llama_scope_read(const char *folder, ps_sae_config *config, uint64_t *digest,
			    ps_diag *diag)
{
	char path[PATH_MAX];
	ps_sae_fields f = {.path = path, .diag = diag};
	json_t *cfg = NULL;
	int rc;

	*config = (ps_sae_config){
		.dtype = PS_F32,
		.tensors = {.enc = "encoder.weight",
			    .dec = "decoder.weight",
			    .b_dec = "decoder.bias",
			    .b_enc = "encoder.bias",
			    .enc_by_latent = true,
			    .said_by = "hyperparams.json"},
	};
	snprintf(path, sizeof path, "%s/hyperparams.json", folder);
	rc = ps_sae_fields_read(path, &cfg, digest, diag);
	f.object = cfg;
	if (!rc)
		rc = ps_sae_fields_known(&f, keys, "Language-Model-SAEs");
	if (!rc)
		rc = read_shape(&f, &config->shape);
	if (!rc)
		rc = read_normalization(&f, config);
	if (!rc)
		rc = read_activation(&f, config);
	if (!rc)
		rc = read_flags(&f, config);
	if (!rc)
		rc = read_place(&f, folder, &config->about);
	json_decref(cfg);
	return rc ? rc : check_weights(folder, diag);
}
