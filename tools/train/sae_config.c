#include "tools/train/sae_config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/train/hook.h"
#include "tools/train/sae_fields.h"
#include "tools/train/sae_keys.h"

/* A folder without a version, or with one below 6.0.0, is converted by SAELens as an old one. */
#define SAE_LENS_VERSION "6.0.0"
#define K_ABSENT 100 /* SAELens' default */

static const char *const arch_names[] = {[PS_SAE_TOPK] = "topk",
					 [PS_SAE_JUMPRELU] = "jumprelu",
					 [PS_SAE_RELU] = "standard",
					 [PS_SAE_GATED] = "gated"};
enum { ARCHS = sizeof arch_names / sizeof *arch_names };

struct reading {
	ps_sae_fields fields;
	const json_t *metadata; /* NULL if there is none */
	bool old;               /* of a SAELens before 6 */
	ps_sae_config *out;
};

const char *ps_sae_arch_name(ps_sae_arch arch)
{
	return arch_names[arch];
}

/* --- typed values --- */

static int refuse(const struct reading *r, const char *key, const json_t *value, const char *right)
{
	return ps_sae_field_refuse(&r->fields, key, value, right);
}

/* A key may be written in two ways. NULL: it is not there. Two different values are refused. */
static int find(const struct reading *r, const char *key, const char *old_key, const json_t **value)
{
	const json_t *other = json_object_get(r->fields.object, old_key);

	*value = json_object_get(r->fields.object, key);
	if (*value && other && !json_equal(*value, other))
		return ps_fail(r->fields.diag, PS_EINPUT, "%s: %s and %s are both there and differ",
			       r->fields.path, key, old_key);
	if (!*value)
		*value = other;
	return 0;
}

/* --- the version --- */

/* True if a version number is below 6.0.0-rc.0, by the order of PEP 440. */
static bool is_before_6(const char *text)
{
	char *end;
	const long major = strtol(text, &end, 10);

	if (major != 6)
		return major < 6;
	while (*end == '.' && isdigit((unsigned char)end[1]))
		if (strtol(end + 1, &end, 10))
			return false;
	end += strspn(end, ".-_");
	return *end == 'a' || *end == 'b' || !strncmp(end, "dev", 3);
}

static int read_version(struct reading *r)
{
	const json_t *value = json_object_get(r->fields.object, "sae_lens_version");
	const char *text = json_string_value(value);

	if (r->metadata && !json_is_object(r->metadata))
		return refuse(r, "metadata", r->metadata, "it must be an object");
	if (!value || json_is_null(value) || (text && !*text))
		value = json_object_get(r->metadata, "sae_lens_version");
	text = json_string_value(value);
	r->old = !value || json_is_null(value) || (text && !*text);
	if (r->old)
		return 0;
	if (!text || !isdigit((unsigned char)*text))
		return refuse(r, "sae_lens_version", value, "it must be a text such as \"6.0.0\"");
	r->old = is_before_6(text);
	return 0;
}

/* --- which keys there are --- */

/* The keys that the functions below read. */
static bool is_used(const char *key)
{
	static const char *const used[] = {"activation_fn",
					   "activation_fn_kwargs",
					   "activation_fn_str",
					   "apply_b_dec_to_input",
					   "architecture",
					   "context_size",
					   "d_in",
					   "d_out",
					   "d_sae",
					   "dtype",
					   "finetuning_scaling_factor",
					   "hook_head_index",
					   "hook_head_index_out",
					   "hook_layer",
					   "hook_name",
					   "hook_name_out",
					   "hook_point",
					   "hook_point_head_index",
					   "hook_point_layer",
					   "is_transcoder",
					   "k",
					   "metadata",
					   "model_name",
					   "normalize_activations",
					   "prepend_bos",
					   "rescale_acts_by_decoder_norm",
					   "reshape_activations",
					   "sae_lens_version"};

	for (size_t i = 0; i < sizeof used / sizeof *used; i++)
		if (!strcmp(key, used[i]))
			return true;
	return false;
}

static int check_keys(const struct reading *r)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)r->fields.object, key, value)
		if (!is_used(key) && !ps_sae_key_is_idle(key))
			return ps_sae_field_unknown(&r->fields, key, value, "SAELens");
	return 0;
}

/* --- the architecture --- */

static int unsupported_arch(const struct reading *r, const char *name)
{
	const char *why = "not supported";

	if (strstr(name, "batchtopk"))
		why = "of an SAE in training; SAELens saves it for use as jumprelu "
		      "(save_inference_model)";
	else if (strstr(name, "transcoder"))
		why = "not supported: it predicts other activations than it reads";
	return ps_fail(r->fields.diag, PS_EINPUT,
		       "%s: architecture %s is %s (topk, jumprelu, standard and gated are "
		       "supported)",
		       r->fields.path, name, why);
}

static int read_arch(const struct reading *r)
{
	const json_t *value = json_object_get(r->fields.object, "architecture");
	const char *name = json_string_value(value);

	if (!value && r->old)
		name = "standard";
	else if (!value)
		return ps_fail(r->fields.diag, PS_EINPUT, "%s: architecture is missing",
			       r->fields.path);
	if (!name)
		return refuse(r, "architecture", value, "it must be a text such as \"topk\"");
	for (int arch = 0; arch < ARCHS; arch++)
		if (!strcmp(name, arch_names[arch])) {
			r->out->shape.arch = (ps_sae_arch)arch;
			return 0;
		}
	return unsupported_arch(r, name);
}

/* activation_fn_kwargs: an object that holds nothing but k. *k: NULL if it is not there. */
static int read_kwargs(const struct reading *r, const json_t **k)
{
	const json_t *kwargs = json_object_get(r->fields.object, "activation_fn_kwargs");
	const char *key;
	json_t *value;

	*k = NULL;
	if (!kwargs || json_is_null(kwargs))
		return 0;
	if (!json_is_object(kwargs))
		return refuse(r, "activation_fn_kwargs", kwargs, "it must be an object");
	json_object_foreach ((json_t *)kwargs, key, value) {
		if (strcmp(key, "k"))
			return refuse(r, "activation_fn_kwargs", kwargs, "only k is supported");
		*k = value;
	}
	return 0;
}

/* The architecture and the activation function must say the same. Old ones: topk wins. */
static int check_activation(const struct reading *r, const json_t *value, const json_t *k)
{
	ps_sae_arch *arch = &r->out->shape.arch;
	const char *name = json_string_value(value);

	if (!value)
		return 0;
	if (name && !strcmp(name, "topk")) {
		if (*arch == PS_SAE_TOPK)
			return 0;
		if (!r->old)
			return refuse(r, "activation_fn", value,
				      "SAELens 6 takes it from architecture, which is another");
		if (!k)
			return refuse(r, "activation_fn", value,
				      "its k is missing in activation_fn_kwargs");
		*arch = PS_SAE_TOPK;
		return 0;
	}
	if (!name || strcmp(name, "relu"))
		return refuse(r, "activation_fn", value,
			      "not supported (\"relu\" and \"topk\" are)");
	if (*arch == PS_SAE_TOPK && !r->old)
		return refuse(r, "activation_fn", value, "the architecture is topk");
	return 0;
}

static int read_activation(const struct reading *r)
{
	const json_t *activation, *in_kwargs, *k = json_object_get(r->fields.object, "k");
	ps_sae *shape = &r->out->shape;
	int rc = read_kwargs(r, &in_kwargs);

	if (!rc)
		rc = find(r, "activation_fn", "activation_fn_str", &activation);
	if (!rc)
		rc = check_activation(r, activation, in_kwargs);
	if (rc)
		return rc;
	/* A jumprelu SAE may be a batchtopk one that has got its thresholds: k says how many were
	 * active in training. */
	if (shape->arch == PS_SAE_JUMPRELU)
		return 0;
	if (shape->arch != PS_SAE_TOPK)
		return k || in_kwargs ? refuse(r, "k", k ? k : in_kwargs, "only a topk SAE has it")
				      : 0;
	if (in_kwargs && k && !json_equal(k, in_kwargs))
		return refuse(r, "k", k, "activation_fn_kwargs holds another one");
	if (in_kwargs && !k && !r->old)
		return refuse(r, "activation_fn_kwargs.k", in_kwargs,
			      "SAELens 6 does not look there but for a key k, and takes 100");
	if (!k && !in_kwargs && r->old && json_object_get(r->fields.object, "activation_fn_kwargs"))
		return ps_fail(r->fields.diag, PS_EINPUT, "%s: activation_fn_kwargs has no k",
			       r->fields.path);
	shape->k = K_ABSENT;
	if (k || in_kwargs)
		rc = ps_sae_value_count(&r->fields, "k", k ? k : in_kwargs, &shape->k);
	if (!rc && shape->k > shape->d_sae)
		rc = ps_fail(r->fields.diag, PS_EINPUT, "%s: k is %zu with d_sae %zu",
			     r->fields.path, shape->k, shape->d_sae);
	return rc;
}

/* --- what happens to rows and weights --- */

static int read_normalization(const struct reading *r)
{
	static const char key[] = "normalize_activations";
	const json_t *value = json_object_get(r->fields.object, key);
	const char *name = json_string_value(value);

	if (!value || (r->old && (json_is_null(value) || json_is_false(value))))
		return 0;
	if (r->old && json_is_true(value))
		name = "expected_average_only_in";
	if (!name)
		return refuse(r, key, value, "it must be a text such as \"none\"");
	r->out->scaled_rows = !strcmp(name, "expected_average_only_in");
	if (!r->out->scaled_rows && strcmp(name, "none"))
		return refuse(r, key, value,
			      "not supported (\"none\" and \"expected_average_only_in\" are)");
	return 0;
}

static int read_reshaping(const struct reading *r)
{
	static const char key[] = "reshape_activations";
	const json_t *value = json_object_get(r->fields.object, key), *hook = NULL;
	const char *name = json_string_value(value);
	int rc = find(r, "hook_name", "hook_point", &hook);

	if (rc)
		return rc;
	if (value && (!name || strcmp(name, "none")))
		return refuse(r, key, value, "not supported (\"none\" is)");
	if (!value && r->old && json_is_string(hook) && strstr(json_string_value(hook), "hook_z"))
		return refuse(r, "hook_name", hook,
			      "SAELens reshapes what a hook_z sees, which is not supported");
	return 0;
}

static int read_dtype(const struct reading *r)
{
	static const struct {
		const char *name;
		ps_dtype dtype;
	} dtypes[] = {{"float32", PS_F32},
		      {"float64", PS_F64},
		      {"float16", PS_F16},
		      {"bfloat16", PS_BF16}};
	const json_t *value = json_object_get(r->fields.object, "dtype");
	const char *name = json_string_value(value);

	r->out->dtype = PS_F32;
	if (!value)
		return 0;
	if (name && !strncmp(name, "torch.", 6))
		name += 6;
	for (size_t i = 0; name && i < sizeof dtypes / sizeof *dtypes; i++)
		if (!strcmp(name, dtypes[i].name)) {
			r->out->dtype = dtypes[i].dtype;
			return 0;
		}
	return refuse(r, "dtype", value,
		      "it must be \"float32\", \"float64\", \"float16\" or \"bfloat16\"");
}

static int read_flags(const struct reading *r)
{
	ps_sae *shape = &r->out->shape;
	int rc = ps_sae_field_flag(&r->fields, "apply_b_dec_to_input", true,
				   &shape->apply_b_dec_to_input);

	if (!rc)
		rc = ps_sae_field_flag(&r->fields, "rescale_acts_by_decoder_norm", false,
				       &shape->rescale_by_decoder_norm);
	if (!rc)
		rc = ps_sae_field_flag(&r->fields, "finetuning_scaling_factor", false,
				       &r->out->scaled_latents);
	if (rc)
		return rc;
	if (shape->arch != PS_SAE_TOPK && shape->rescale_by_decoder_norm)
		return ps_fail(r->fields.diag, PS_EINPUT,
			       "%s: rescale_acts_by_decoder_norm is true, the architecture is %s: "
			       "only a topk SAE has it",
			       r->fields.path, arch_names[shape->arch]);
	return 0;
}

/* --- where it is from --- */

/* A key that stands beside the others before SAELens 6, and in metadata since. NULL: neither. */
static int find_about(const struct reading *r, const char *key, const char *old_key,
		      const json_t **value)
{
	const json_t *nested = json_object_get(r->metadata, key);
	int rc = find(r, key, old_key, value);

	if (nested && (!*value || !r->old))
		*value = nested;
	return rc;
}

static int read_text(const struct reading *r, const char *key, const char *old_key, char *out,
		     size_t size)
{
	const json_t *value;
	int rc = find_about(r, key, old_key, &value);

	return rc ? rc : ps_sae_value_text(&r->fields, key, value, out, size);
}

/* What an SAE reads it must predict, and all heads of it. */
static int check_both_ends(const struct reading *r)
{
	const char *const heads[] = {"hook_head_index", "hook_head_index_out"};
	const json_t *value, *d_out = json_object_get(r->fields.object, "d_out");
	bool transcoder;
	int rc = ps_sae_field_flag(&r->fields, "is_transcoder", false, &transcoder);

	if (!rc && transcoder)
		rc = refuse(r, "is_transcoder", json_object_get(r->fields.object, "is_transcoder"),
			    "not supported: a transcoder predicts other activations than it reads");
	for (size_t i = 0; i < 2 && !rc; i++) {
		rc = find_about(r, heads[i], i ? heads[i] : "hook_point_head_index", &value);
		if (!rc && value && !json_is_null(value))
			rc = refuse(r, heads[i], value,
				    "an SAE of one attention head is not supported");
	}
	if (!rc)
		rc = find_about(r, "hook_name_out", "hook_name_out", &value);
	if (!rc && value && !json_is_null(value) &&
	    (!json_is_string(value) ||
	     strcmp(json_string_value(value), r->out->about.hook_name) != 0))
		rc = refuse(r, "hook_name_out", value,
			    "another hook than hook_name: a transcoder, which is not supported");
	if (!rc && d_out && !json_is_null(d_out) &&
	    (!json_is_integer(d_out) ||
	     json_integer_value(d_out) != (json_int_t)r->out->shape.d_in))
		rc = refuse(r, "d_out", d_out,
			    "another width than d_in: a transcoder, which is not supported");
	return rc;
}

/* hook_layer repeats what hook_name says. */
static int check_hook_layer(const struct reading *r)
{
	const json_t *value;
	const int block = ps_hook_block(r->out->about.hook_name);
	int rc = find_about(r, "hook_layer", "hook_point_layer", &value);

	if (rc || !value || json_is_null(value))
		return rc;
	if (!json_is_integer(value))
		return refuse(r, "hook_layer", value, "it must be a whole number");
	if (block >= 0 && json_integer_value(value) != block)
		return ps_fail(r->fields.diag, PS_EINPUT, "%s: hook_layer is %lld, hook_name is %s",
			       r->fields.path, (long long)json_integer_value(value),
			       r->out->about.hook_name);
	return 0;
}

/* "" where metadata has no such text. */
static void copy_digest(const json_t *metadata, const char *name, char out[PS_DIGEST_TEXT])
{
	const char *digest = json_string_value(json_object_get(metadata, name));

	snprintf(out, PS_DIGEST_TEXT, "%s", digest ? digest : "");
}

static int read_about(const struct reading *r)
{
	ps_sae_about *about = &r->out->about;
	const json_t *value;
	int rc = read_text(r, "hook_name", "hook_point", about->hook_name, sizeof about->hook_name);

	if (!rc)
		rc = read_text(r, "model_name", "model_name", about->model_name,
			       sizeof about->model_name);
	if (!rc)
		rc = check_both_ends(r);
	if (!rc)
		rc = check_hook_layer(r);
	if (!rc)
		rc = find_about(r, "prepend_bos", "prepend_bos", &value);
	if (rc)
		return rc;
	about->prepend_bos = json_is_true(value);
	rc = find_about(r, "context_size", "context_size", &value);
	about->context_size = json_integer_value(value);
	copy_digest(r->metadata, "model_digest", about->model_digest);
	copy_digest(r->metadata, "mask_digest", about->mask_digest);
	return rc;
}

ps_sae_tensors ps_sae_saelens_tensors(ps_sae_arch arch)
{
	return (ps_sae_tensors){.enc = "W_enc",
				.dec = "W_dec",
				.b_dec = "b_dec",
				.b_enc = arch == PS_SAE_GATED ? "b_gate" : "b_enc",
				.threshold = arch == PS_SAE_JUMPRELU ? "threshold" : NULL,
				.r_mag = arch == PS_SAE_GATED ? "r_mag" : NULL,
				.b_mag = arch == PS_SAE_GATED ? "b_mag" : NULL,
				.dec_by_latent = true,
				.scaling = true,
				.said_by = "cfg.json"};
}

int ps_sae_config_parse(const json_t *cfg, const char *path, ps_sae_config *config, ps_diag *diag)
{
	struct reading r = {.fields = {cfg, path, diag},
			    .metadata = json_object_get(cfg, "metadata"),
			    .out = config};
	int (*const steps[])(const struct reading *) = {
		check_keys,     read_arch,  read_activation, read_normalization,
		read_reshaping, read_dtype, read_flags,      read_about};
	int rc = read_version(&r);

	*config = (ps_sae_config){.dtype = PS_F32};
	if (!rc)
		rc = ps_sae_field_count(&r.fields, "d_in", &config->shape.d_in);
	if (!rc)
		rc = ps_sae_field_count(&r.fields, "d_sae", &config->shape.d_sae);
	for (size_t i = 0; i < sizeof steps / sizeof *steps && !rc; i++)
		rc = steps[i](&r);
	config->tensors = ps_sae_saelens_tensors(config->shape.arch);
	return rc;
}

/* --- writing --- */

static json_t *make_metadata(const ps_sae_about *about)
{
	json_t *metadata = json_pack("{s:s, s:s, s:s, s:b, s:I}", "sae_lens_version",
				     SAE_LENS_VERSION, "model_name", about->model_name, "hook_name",
				     about->hook_name, "prepend_bos", about->prepend_bos,
				     "context_size", (json_int_t)about->context_size);

	const struct {
		const char *name, *digest;
	} digests[] = {{"model_digest", about->model_digest}, {"mask_digest", about->mask_digest}};

	for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
		if (*digests[i].digest && json_object_set_new(metadata, digests[i].name,
							      json_string(digests[i].digest))) {
			json_decref(metadata);
			return NULL;
		}
	return metadata;
}

json_t *ps_sae_config_make(const ps_sae *sae, const ps_sae_about *about)
{
	json_t *cfg = json_pack("{s:s, s:I, s:I, s:s, s:s, s:b, s:s, s:s, s:o}", "architecture",
				arch_names[sae->arch], "d_in", (json_int_t)sae->d_in, "d_sae",
				(json_int_t)sae->d_sae, "dtype", "float32", "device", "cpu",
				"apply_b_dec_to_input", sae->apply_b_dec_to_input,
				"normalize_activations", "none", "reshape_activations", "none",
				"metadata", make_metadata(about));

	if (sae->arch != PS_SAE_TOPK ||
	    !json_object_update_new(cfg, json_pack("{s:I, s:b}", "k", (json_int_t)sae->k,
						   "rescale_acts_by_decoder_norm",
						   sae->rescale_by_decoder_norm)))
		return cfg;
	json_decref(cfg);
	return NULL;
}
