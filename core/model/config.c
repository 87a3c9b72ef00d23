#include "core/model/config.h"

#include <math.h>
#include <string.h>

#include "core/base/checked.h"
#include "core/base/json_text.h"
#include "core/model/quantized.h"

/* No published model comes near this limit. Below it, the product of two sizes and an element's
 * bytes cannot overflow. */
#define SIZE_LIMIT ((json_int_t)1 << 24)

/* The first failure stays in rc; what is read after it has no effect. */
struct reader {
	const json_t *model; /* the object with the decoder's keys */
	const json_t *outer; /* Gemma 3's enclosing object, or NULL */
	const char *path;
	ps_diag *diag;
	int rc;
};

struct defaults {
	const char *name;
	size_t heads, kv_heads, head_width, vocab, max_positions, sliding_window;
	double scale_base, attention_softcap, logit_softcap, theta, theta_local;
	int32_t bos, eos, pad;
	bool tied, gelu;
};

/* What transformers assumes for absent keys. 0: the key is required, derived from others, or means
 * none. */
static const struct defaults families[] = {
	[PS_FAMILY_LLAMA] = {.name = "llama",
			     .heads = 32,
			     .vocab = 32000,
			     .max_positions = 2048,
			     .theta = 1e4,
			     .theta_local = 1e4,
			     .bos = 1,
			     .eos = 2,
			     .pad = -1},
	[PS_FAMILY_GEMMA2] = {.name = "gemma2",
			      .heads = 8,
			      .kv_heads = 4,
			      .head_width = 256,
			      .vocab = 256000,
			      .max_positions = 8192,
			      .sliding_window = 4096,
			      .scale_base = 256,
			      .attention_softcap = 50,
			      .logit_softcap = 30,
			      .theta = 1e4,
			      .theta_local = 1e4,
			      .bos = 2,
			      .eos = 1,
			      .pad = 0,
			      .tied = true,
			      .gelu = true},
	[PS_FAMILY_GEMMA3] = {.name = "gemma3_text",
			      .heads = 8,
			      .kv_heads = 4,
			      .head_width = 256,
			      .vocab = 262208,
			      .max_positions = 131072,
			      .sliding_window = 4096,
			      .scale_base = 256,
			      .theta = 1e6,
			      .theta_local = 1e4,
			      .bos = 2,
			      .eos = 1,
			      .pad = 0,
			      .tied = true,
			      .gelu = true},
};

#define FAMILY_COUNT (sizeof families / sizeof *families)

const char *ps_family_name(ps_family family)
{
	return families[family].name;
}

/* The value of key, NULL if absent. */
static const json_t *find(const struct reader *r, const char *key)
{
	return json_object_get(r->model, key);
}

/* The value of key, NULL if absent or null. */
static const json_t *find_value(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

/* value: what the file holds, which the message repeats. NULL: it is not there. */
static void refuse_value(struct reader *r, const char *key, const char *why, const json_t *value)
{
	char text[64];

	if (!r->rc)
		r->rc = ps_fail(r->diag, PS_EINPUT, "%s: %s: %s%s%s%s", r->path, key, why,
				value ? " (it is " : "", ps_json_show(value, text, sizeof text),
				value ? ")" : "");
}

static void refuse(struct reader *r, const char *key, const char *why)
{
	refuse_value(r, key, why, find_value(r->model, key));
}

static void refuse_name(struct reader *r, const char *key, const char *name)
{
	if (!r->rc)
		r->rc = ps_fail(r->diag, PS_EINPUT, "%s: %s: '%.60s' is not supported", r->path,
				key, name);
}

/* fallback 0: the key is required. */
static size_t read_size(struct reader *r, const char *key, size_t fallback)
{
	const json_t *value = find_value(r->model, key);
	json_int_t size = json_integer_value(value);

	if (!value && fallback)
		return fallback;
	if (!value)
		refuse(r, key, "missing");
	else if (json_is_real(value) && fabs(json_real_value(value)) >= 0x1p63)
		refuse(r, key, "too large");
	else if (!json_is_integer(value))
		refuse(r, key, "not an integer");
	else if (size <= 0)
		refuse(r, key, "not positive");
	else if (size > SIZE_LIMIT)
		refuse(r, key, "too large");
	else
		return (size_t)size;
	return 1;
}

/* A positive number of object. If absent: fallback, or a failure if fallback is 0. */
static double read_number(struct reader *r, const json_t *object, const char *key, double fallback)
{
	const json_t *value = find_value(object, key);
	double number = json_number_value(value);

	if (!value && fallback > 0)
		return fallback;
	if (!value)
		refuse(r, key, "missing");
	else if (!json_is_number(value))
		refuse_value(r, key, "not a number", value);
	else if (!isfinite(number) || number <= 0)
		refuse_value(r, key, "not positive", value);
	else
		return number;
	return 1;
}

/* A soft cap. null means none; if the key is absent, the family's own. */
static double read_cap(struct reader *r, const char *key, double fallback)
{
	const json_t *value = find(r, key);

	if (!value)
		return fallback;
	return json_is_null(value) ? 0 : read_number(r, r->model, key, 0);
}

static void refuse_when_set(struct reader *r, const char *key)
{
	const json_t *value = find_value(r->model, key);

	if (value && !json_is_false(value))
		refuse(r, key, "not supported");
}

/* An older name of the entry is compression_config. It may stand beside text_config as well. */
static void refuse_quantized(struct reader *r)
{
	static const char *const keys[] = {"quantization_config", "compression_config"};

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (!r->rc)
			r->rc = ps_quantized_refuse(find(r, keys[i]), keys[i], r->path, r->diag);
		if (!r->rc)
			r->rc = ps_quantized_refuse(json_object_get(r->outer, keys[i]), keys[i],
						    r->path, r->diag);
	}
}

static bool read_activation(struct reader *r, const char *key, bool gelu)
{
	const json_t *value = find_value(r->model, key);
	const char *name = json_string_value(value);

	if (!value)
		return gelu;
	if (!name)
		refuse(r, key, "not a string");
	else if (!strcmp(name, "gelu_pytorch_tanh"))
		return true;
	else if (strcmp(name, "silu") && strcmp(name, "swish"))
		refuse_name(r, key, name);
	return false;
}

/* The value of a key that may stand beside text_config instead of in it: token ids, tying. */
static const json_t *find_outer(const struct reader *r, const char *key)
{
	const json_t *value = find(r, key);

	return value || !r->outer ? value : json_object_get(r->outer, key);
}

static bool read_tied(struct reader *r, bool fallback)
{
	const json_t *value = find_outer(r, "tie_word_embeddings");

	if (!value || json_is_null(value))
		return fallback;
	if (!json_is_boolean(value))
		refuse_value(r, "tie_word_embeddings", "neither true nor false", value);
	return json_is_true(value);
}

/* A negative id means none: some published configurations say -1. */
static int32_t token_id(struct reader *r, const char *key, const json_t *value)
{
	json_int_t id = json_integer_value(value);

	if (json_is_null(value))
		return -1;
	if (!json_is_integer(value) || id > INT32_MAX)
		refuse_value(r, key, "not a token id", value);
	return id < 0 ? -1 : (int32_t)id;
}

static int32_t read_token_id(struct reader *r, const char *key, int32_t fallback)
{
	const json_t *value = find_outer(r, key);

	if (json_is_array(value))
		value = json_array_get(value, 0);
	else if (!value)
		return fallback;
	return value ? token_id(r, key, value) : -1;
}

static void read_eos(struct reader *r, int32_t fallback, ps_model_config *config)
{
	const size_t most = sizeof config->eos / sizeof *config->eos;
	const json_t *value = find_outer(r, "eos_token_id");

	if (json_is_array(value)) {
		if (json_array_size(value) > most) {
			refuse(r, "eos_token_id", "more than 8 ids");
			return;
		}
		for (size_t i = 0; i < json_array_size(value); i++)
			config->eos[config->eos_count++] =
				token_id(r, "eos_token_id", json_array_get(value, i));
		return;
	}
	config->eos[0] = value ? token_id(r, "eos_token_id", value) : fallback;
	config->eos_count = config->eos[0] >= 0;
}

static void read_tokens(struct reader *r, const struct defaults *family, ps_model_config *config)
{
	config->bos = read_token_id(r, "bos_token_id", family->bos);
	config->pad = read_token_id(r, "pad_token_id", family->pad);
	read_eos(r, family->eos, config);
}

static void read_llama3(struct reader *r, const json_t *object, size_t max_positions, ps_rope *rope)
{
	double original =
		read_number(r, r->model, "original_max_position_embeddings", (double)max_positions);

	rope->llama3 = true;
	rope->llama3_factor = read_number(r, object, "factor", 0);
	rope->low_freq_factor = read_number(r, object, "low_freq_factor", 0);
	rope->high_freq_factor = read_number(r, object, "high_freq_factor", 0);
	rope->original_positions =
		read_number(r, object, "original_max_position_embeddings", original);
	if (rope->high_freq_factor <= rope->low_freq_factor)
		refuse(r, "high_freq_factor", "not above low_freq_factor");
}

/* One rope. object: rope_parameters, one of its members, or rope_scaling; NULL: the rope is not
 * scaled. */
static void read_rope(struct reader *r, const json_t *object, double theta, size_t max_positions,
		      ps_rope *rope)
{
	const json_t *type = find_value(object, "rope_type");
	const char *name;

	if (!type)
		type = find_value(object, "type");
	name = type ? json_string_value(type) : "default";
	*rope = (ps_rope){.theta = read_number(r, object, "rope_theta", theta), .factor = 1};
	if (read_number(r, object, "partial_rotary_factor", 1) != 1 ||
	    read_number(r, r->model, "partial_rotary_factor", 1) != 1)
		refuse(r, "partial_rotary_factor", "other than 1 is not supported");
	if (!name)
		refuse_value(r, "rope_type", "not a string", type);
	else if (!strcmp(name, "linear"))
		rope->factor = read_number(r, object, "factor", 0);
	else if (!strcmp(name, "llama3"))
		read_llama3(r, object, max_positions, rope);
	else if (strcmp(name, "default"))
		refuse_name(r, "rope_type", name);
}

/* The object at key; NULL if absent, null or empty. */
static const json_t *find_object(struct reader *r, const json_t *holder, const char *key)
{
	const json_t *value = find_value(holder, key);

	if (value && !json_is_object(value))
		refuse_value(r, key, "not an object", value);
	return json_object_size(value) ? value : NULL;
}

/* Llama and Gemma 2: one rope for all layers. */
static void read_one_rope(struct reader *r, const struct defaults *family, ps_model_config *config)
{
	const json_t *object = find_object(r, r->model, "rope_scaling");
	const char *key;
	json_t *member;

	if (!object)
		object = find_object(r, r->model, "rope_parameters");
	json_object_foreach ((json_t *)object, key, member)
		if (json_is_object(member))
			refuse_name(r, "rope_parameters", key);
	read_rope(r, object, read_number(r, r->model, "rope_theta", family->theta),
		  config->max_positions, &config->rope_global);
	config->rope_local = config->rope_global;
}

/* Gemma 3: rope_parameters holds one object per layer type; rope_scaling is about the full
 * layers. */
static void read_two_ropes(struct reader *r, const struct defaults *family, ps_model_config *config)
{
	const json_t *both = find_object(r, r->model, "rope_parameters");
	const json_t *global = find_object(r, both, "full_attention"),
		     *local = find_object(r, both, "sliding_attention");
	double theta = read_number(r, r->model, "rope_theta", family->theta);
	double theta_local = read_number(r, r->model, "rope_local_base_freq", family->theta_local);
	const json_t *scaling = find_object(r, r->model, "rope_scaling");

	if (both && !global && !local)
		refuse(r, "rope_parameters", "neither full_attention nor sliding_attention in it");
	if (scaling && global)
		theta = read_number(r, global, "rope_theta", theta);
	read_rope(r, scaling ? scaling : global, theta, config->max_positions,
		  &config->rope_global);
	read_rope(r, local, theta_local, config->max_positions, &config->rope_local);
}

static void read_layer_types(struct reader *r, const json_t *types, ps_model_config *config)
{
	if (!json_is_array(types) || json_array_size(types) != config->layers) {
		refuse(r, "layer_types", "not a list with one entry per layer");
		return;
	}
	for (size_t i = 0; i < config->layers; i++) {
		const char *name = json_string_value(json_array_get(types, i));

		config->sliding[i] = name && !strcmp(name, "sliding_attention");
		if (!name || (!config->sliding[i] && strcmp(name, "full_attention")))
			refuse_name(r, "layer_types", name ? name : "(no string)");
		if (config->sliding[i] && config->family == PS_FAMILY_LLAMA)
			refuse_name(r, "layer_types", "sliding_attention of a llama");
	}
}

/* Which layers slide. Without layer_types every pattern-th layer is full (Gemma 2: every
 * second). */
static void read_sliding(struct reader *r, const struct defaults *family, ps_model_config *config)
{
	const json_t *types = find_value(r->model, "layer_types");
	size_t pattern =
		config->family == PS_FAMILY_GEMMA3 ? read_size(r, "sliding_window_pattern", 6) : 2;
	bool any = false;

	if (types)
		read_layer_types(r, types, config);
	else if (config->family != PS_FAMILY_LLAMA)
		for (size_t i = 0; i < config->layers; i++)
			config->sliding[i] = (i + 1) % pattern != 0;
	for (size_t i = 0; i < config->layers; i++)
		any |= config->sliding[i];
	if (!any)
		return;
	if (json_is_null(find(r, "sliding_window")))
		refuse(r, "sliding_window", "null, but there are sliding layers");
	config->sliding_window = read_size(r, "sliding_window", family->sliding_window);
}

/* Without head_dim, Llama's heads share the width among them. With it, neither needs to divide the
 * other: q, k and v map the width to heads * head_dim, and o maps back. */
static void read_heads(struct reader *r, const struct defaults *family, ps_model_config *config)
{
	size_t head_width = family->head_width;

	config->heads = read_size(r, "num_attention_heads", family->heads);
	config->kv_heads = read_size(r, "num_key_value_heads",
				     family->kv_heads ? family->kv_heads : config->heads);
	if (!head_width && !find_value(r->model, "head_dim") && config->width % config->heads)
		refuse(r, "num_attention_heads",
		       "does not divide hidden_size, and head_dim is missing");
	if (config->heads % config->kv_heads)
		refuse(r, "num_key_value_heads", "does not divide num_attention_heads");
	if (r->rc)
		return;
	if (!head_width)
		head_width = ps_max_size(config->width / config->heads, 1);
	config->head_width = read_size(r, "head_dim", head_width);
	if (config->head_width % 2)
		refuse(r, "head_dim", "odd");
	if (config->head_width > (size_t)SIZE_LIMIT / config->heads)
		refuse(r, "head_dim", "too large for so many heads");
}

static void read_shape(struct reader *r, const struct defaults *family, ps_model_config *config)
{
	config->width = read_size(r, "hidden_size", 0);
	config->mlp_width = read_size(r, "intermediate_size", 0);
	config->layers = read_size(r, "num_hidden_layers", 0);
	config->vocab = read_size(r, "vocab_size", family->vocab);
	config->max_positions = read_size(r, "max_position_embeddings", family->max_positions);
	if (config->layers > PS_LAYERS_MAX)
		refuse(r, "num_hidden_layers", "too large");
	read_heads(r, family, config);
}

static void read_arithmetic(struct reader *r, const struct defaults *family,
			    ps_model_config *config)
{
	bool llama = config->family == PS_FAMILY_LLAMA;
	double base = llama ? (double)config->head_width
			    : read_number(r, r->model, "query_pre_attn_scalar", family->scale_base);

	config->norm_eps = read_number(r, r->model, "rms_norm_eps", 1e-6);
	config->attention_scale = 1 / sqrt(base);
	/* Gemma 3's code does not read this key. */
	if (config->family == PS_FAMILY_GEMMA2)
		config->attention_softcap =
			read_cap(r, "attn_logit_softcapping", family->attention_softcap);
	if (!llama)
		config->logit_softcap =
			read_cap(r, "final_logit_softcapping", family->logit_softcap);
	config->tied = read_tied(r, family->tied);
	/* Gemma's code reads hidden_activation only, even if an old hidden_act stands beside it. */
	config->gelu = read_activation(r, llama ? "hidden_act" : "hidden_activation", family->gelu);
}

static void read_model(struct reader *r, ps_model_config *config)
{
	static const char *const unsupported[] = {"attention_bias", "mlp_bias",
						  "use_bidirectional_attention"};
	const struct defaults *family = &families[config->family];

	for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
		refuse_when_set(r, unsupported[i]);
	refuse_quantized(r);
	if (!r->rc)
		read_shape(r, family, config);
	if (r->rc)
		return;
	read_arithmetic(r, family, config);
	read_sliding(r, family, config);
	if (config->family == PS_FAMILY_GEMMA3)
		read_two_ropes(r, family, config);
	else
		read_one_rope(r, family, config);
	read_tokens(r, family, config);
}

/* Steps into Gemma 3's text_config. Returns the model_type of the decoder; NULL: there is none. */
static const char *enter_decoder(struct reader *r)
{
	const char *name = json_string_value(find(r, "model_type"));

	if (!name || strcmp(name, "gemma3"))
		return name;
	r->outer = r->model;
	r->model = find_object(r, r->outer, "text_config");
	if (!r->model)
		refuse(r, "text_config", "missing");
	return find(r, "model_type") ? json_string_value(find(r, "model_type")) : "gemma3_text";
}

/* The number of the family with this model_type; -1: none. */
static int find_family(const char *name)
{
	for (size_t i = 0; name && i < FAMILY_COUNT; i++)
		if (!strcmp(name, families[i].name))
			return (int)i;
	return -1;
}

static void read_family(struct reader *r, ps_model_config *config)
{
	const char *name = enter_decoder(r);
	int family = find_family(name);

	if (!name)
		refuse(r, "model_type", "missing");
	else if (family < 0 && !r->rc)
		r->rc = ps_fail(r->diag, PS_EINPUT,
				"%s: model_type: '%.60s' is not supported (llama, gemma2, gemma3 "
				"and gemma3_text are)",
				r->path, name);
	else
		config->family = (ps_family)family;
}

int ps_config_parse(const char *text, size_t length, const char *path, ps_model_config *config,
		    ps_diag *diag)
{
	struct reader r = {.path = path, .diag = diag};
	json_t *root = NULL;
	int rc = ps_json_parse(text, length, path, &root, diag);

	if (rc)
		return rc;
	r.model = root;
	*config = (ps_model_config){0};
	if (!json_is_object(root))
		r.rc = ps_fail(diag, PS_EINPUT, "%s: not a JSON object", path);
	if (!r.rc)
		read_family(&r, config);
	if (!r.rc)
		read_model(&r, config);
	json_decref(root);
	return r.rc;
}

int ps_config_need_bos(int32_t bos, size_t vocab, const char *path, ps_diag *diag)
{
	if (bos < 0)
		return ps_fail(
			diag, PS_EINPUT,
			"%s: bos_token_id is missing or null, and each window begins with BOS",
			path);
	if ((size_t)bos >= vocab)
		return ps_fail(
			diag, PS_EINPUT,
			"%s: bos_token_id %d is beyond the vocabulary of %zu, and each window "
			"begins with BOS",
			path, bos, vocab);
	return 0;
}

int ps_config_bos(const char *text, size_t length, const char *path, int32_t *bos, ps_diag *diag)
{
	struct reader r = {.path = path, .diag = diag};
	json_t *root = NULL;
	size_t vocab;
	int rc = ps_json_parse(text, length, path, &root, diag), family;

	if (rc)
		return rc;
	r.model = root;
	family = find_family(enter_decoder(&r));
	*bos = read_token_id(&r, "bos_token_id", family < 0 ? -1 : families[family].bos);
	vocab = read_size(&r, "vocab_size", family < 0 ? SIZE_MAX : families[family].vocab);
	if (!r.rc)
		r.rc = ps_config_need_bos(*bos, vocab, path, diag);
	json_decref(root);
	return r.rc;
}

bool ps_config_is_special(const ps_model_config *config, int32_t id)
{
	if (id < 0)
		return false;
	for (int i = 0; i < config->eos_count; i++)
		if (config->eos[i] == id)
			return true;
	return id == config->bos || id == config->pad;
}
